package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/config"
	"lastout/supervisor/engine"
	"lastout/supervisor/report"
)

// faultJSON is one fault or warning for programs.
type faultJSON struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

func (p *program) checkCommand() *cli.Command {
	return &cli.Command{
		Name:        "check",
		Usage:       "every fault of a configuration, with its line and a suggestion",
		Description: "Exit code 0: it can be run (warnings may be there); 2: it cannot. Nothing is started.",
		Flags:       []cli.Flag{configFlag(), profileFlag(), outputFlag(), noCgroupFlag()},
		Action:      p.check,
	}
}

// check answers on stdout, faults included: they are what was asked for.
func (p *program) check(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cfg, err := load(c)
	var faulty *config.Error
	if err != nil && !errors.As(err, &faulty) {
		return err
	}
	var faults, warnings []config.Fault
	if faulty != nil {
		faults = faulty.Faults
	} else {
		warnings = cfg.Warnings
	}
	gateways, unkept := []engine.Outlook{}, []engine.Unkept{}
	if len(faults) == 0 {
		gateways = append(gateways, engine.Foresee(cfg)...)
		unkept = append(unkept, engine.ForeseeLimits(cfg, c.Bool("no-cgroup"))...)
	}
	if c.String("output") == "json" {
		err = answerJSON(p.stdout, map[string]any{
			"faults": faultsJSON(faults), "warnings": faultsJSON(warnings), "gateways": gateways,
			"unkept": unkept,
		})
	} else {
		err = write(p.stdout, checkText(cfg, faults, warnings)+outlookText(gateways)+unkeptText(unkept))
	}
	if err == nil && len(faults) > 0 {
		err = codeError(exitUsage)
	}
	return err
}

func faultsJSON(faults []config.Fault) []faultJSON {
	all := make([]faultJSON, len(faults))
	for i, f := range faults {
		all[i] = faultJSON{File: f.File, Line: f.Line, Text: f.Text}
	}
	return all
}

// outlookText is what the drains of gateways can do on this machine, and what they cannot.
func outlookText(gateways []engine.Outlook) string {
	text := ""
	for _, g := range gateways {
		if how := g.How(); how != "" {
			text += fmt.Sprintf("%s: %s\n", g.Gateway, how)
		}
		for _, missing := range g.Missing {
			text += fmt.Sprintf("%s: here it %s\n", g.Gateway, missing)
		}
	}
	return text
}

// unkeptText is which limits of control groups cannot be kept on this machine.
func unkeptText(unkept []engine.Unkept) string {
	text := ""
	for _, u := range unkept {
		text += u.String() + " (warning)\n"
	}
	return text
}

func checkText(cfg *config.Config, faults, warnings []config.Fault) string {
	text := ""
	for _, f := range faults {
		text += f.String() + "\n"
	}
	for _, w := range warnings {
		text += w.String() + " (warning)\n"
	}
	if len(faults) > 0 {
		return text + fmt.Sprintf("%s; nothing was started\n", report.Count(len(faults), "fault"))
	}
	instances := 0
	for i := range cfg.Processes {
		instances += len(cfg.Processes[i].Instances)
	}
	return text + fmt.Sprintf("%s: %s, %s, no fault\n",
		cfg.File, report.Count(len(cfg.Processes), "process"), report.Count(instances, "instance"))
}
