package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/report"
)

func (p *program) planCommand() *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "who starts when, who leaves when and after whom, and how long it takes at most",
		Description: "Nothing is started. The critical path is what a shutdown takes if everybody takes all the time they\n" +
			"have. With --grace it is compared with what a container or unit allows.",
		Flags: []cli.Flag{
			configFlag(), profileFlag(),
			graceFlag("compare with what the container or unit allows for the shutdown"), outputFlag(),
		},
		Action: p.plan,
	}
}

// planJSON is the answer for programs. The plan is the one that holds with the grace, where one is given.
type planJSON struct {
	Name string `json:"name"`
	supervisor.Plan
	Timeout time.Duration `json:"timeout"` // of the shutdown; 0: none
	Reserve time.Duration `json:"reserve"`
	Grace   *graceJSON    `json:"grace,omitempty"`
	Sockets []socketJSON  `json:"sockets,omitempty"` // opened before anybody starts
}

// socketJSON is a held listener, and who is handed it.
type socketJSON struct {
	Name      string   `json:"name"`
	Listen    []string `json:"listen"`
	Processes []string `json:"processes"`
}

// socketsOf are the held listeners that somebody is handed.
func socketsOf(cfg *config.Config) []socketJSON {
	var all []socketJSON
	for i := range cfg.Sockets {
		s := socketJSON{Name: cfg.Sockets[i].Name}
		for _, a := range cfg.Sockets[i].Listen {
			s.Listen = append(s.Listen, a.String())
		}
		for _, p := range cfg.Processes {
			if slices.Contains(p.Sockets, i) && len(p.Instances) > 0 {
				s.Processes = append(s.Processes, p.Name)
			}
		}
		if len(s.Processes) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// graceJSON compares the plan with what somebody else allows.
type graceJSON struct {
	Grace      time.Duration `json:"grace"`
	Configured time.Duration `json:"configured"` // what the shutdown could take without it
	Fits       bool          `json:"fits"`       // and that is within it
}

func (p *program) plan(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	cfg, err := load(c)
	if err != nil {
		return err
	}
	answer := planOf(cfg, c.Duration("grace"))
	if c.String("output") == "json" {
		return answerJSON(p.stdout, answer)
	}
	return write(p.stdout, planText(answer))
}

// planOf makes the plan with the options as loaded, and again within the grace.
func planOf(cfg *config.Config, grace time.Duration) planJSON {
	plan := supervisor.MakePlan(cfg.Graph, cfg.Specs, cfg.Options)
	answer := planJSON{Name: cfg.Name, Plan: plan, Timeout: cfg.Options.Timeout, Reserve: cfg.Options.Reserve}
	answer.Sockets = socketsOf(cfg)
	if grace <= 0 {
		return answer
	}
	within := cfg.Options
	within.Timeout = withinGrace(within.Timeout, grace)
	answer.Plan, answer.Timeout = supervisor.MakePlan(cfg.Graph, cfg.Specs, within), within.Timeout
	fits := plan.Bound <= withinGrace(0, grace)
	answer.Grace = &graceJSON{Grace: grace, Configured: plan.Bound, Fits: fits}
	return answer
}

// planText draws the plan for a person.
func planText(a planJSON) string {
	var b strings.Builder
	b.WriteString("start\n")
	for _, s := range a.Sockets {
		fmt.Fprintf(&b, "   0  open %s for %s (socket %q)\n", strings.Join(s.Listen, ", "), strings.Join(s.Processes, ", "), s.Name)
	}
	for i, level := range a.Start {
		fmt.Fprintf(&b, "  %2d  %s\n", i+1, strings.Join(level, ", "))
	}
	b.WriteString("\nstop\n")
	table := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	level, last := 0, 0
	for _, step := range a.Stop {
		if idle(step) {
			continue
		}
		mark := ""
		if step.Level != last {
			level, last = level+1, step.Level
			mark = fmt.Sprint(level)
		}
		copies := ""
		if step.Instances > 1 {
			copies = fmt.Sprintf(" (%d instances)", step.Instances)
		}
		fmt.Fprintf(table, "  %2s  %s %ss%s\tafter %s\t%s at most\n",
			mark, step.Process, step.Step, copies, refs(a.busy(step.After)), report.Duration(step.Bound))
	}
	table.Flush()
	b.WriteString("\n" + pathText(a) + boundText(a))
	return b.String()
}

// idle says that a step takes no time: the drain of a gateway without a pre_drain hook. People are spared it.
func idle(step supervisor.PlanStep) bool { return step.Step == "drain" && step.Bound == 0 }

// busy leaves the idle steps out. Whoever waits for one waits for those before it, and these are listed beside it: in
// the stop order gateways drain one after another, and their clients leave first.
func (a planJSON) busy(refs []supervisor.PlanRef) []supervisor.PlanRef {
	return slices.DeleteFunc(slices.Clone(refs), func(r supervisor.PlanRef) bool {
		return slices.ContainsFunc(a.Stop, func(s supervisor.PlanStep) bool {
			return s.Process == r.Process && s.Step == r.Step && idle(s)
		})
	})
}

// refs names steps: "api, edge's drain".
func refs(steps []supervisor.PlanRef) string {
	if len(steps) == 0 {
		return "nobody"
	}
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = s.Process
		if s.Step == "drain" {
			words[i] += "'s drain"
		}
	}
	return strings.Join(words, ", ")
}

// pathText is the critical path with its durations and their sum.
func pathText(a planJSON) string {
	var parts []string
	if a.Announce > 0 {
		parts = append(parts, "announcing "+report.Duration(a.Announce))
	}
	end := a.Announce
	for _, s := range a.Path {
		parts = append(parts, fmt.Sprintf("%s %s", refs([]supervisor.PlanRef{s.PlanRef}), report.Duration(s.Took)))
		end = s.Begin + s.Took
	}
	if len(parts) == 0 {
		return ""
	}
	text := fmt.Sprintf("critical path: %s: %s if everybody takes all the time they have\n",
		strings.Join(parts, ", then "), report.Duration(end))
	if sweep := a.Bound - end; sweep > 0 && !a.Squeezed {
		text += fmt.Sprintf("at the end: a last sweep for what was left behind, and after_shutdown: %s\n",
			report.Duration(sweep))
	}
	return text
}

// tightText says that a grace is too short for what is configured, and who takes the time; nothing where it fits.
func tightText(cfg *config.Config, grace time.Duration) string {
	configured := planOf(cfg, 0)
	if configured.Bound <= withinGrace(0, grace) {
		return ""
	}
	path, _, _ := strings.Cut(pathText(configured), "\n")
	if path != "" {
		path = " (" + path + ")"
	}
	return fmt.Sprintf("a grace of %s is too short for a shutdown, which may take %s%s: it is kept to %s, and who is slow is "+
		"killed early (lastout plan --grace %s)", report.Duration(grace), report.Duration(configured.Bound), path,
		report.Duration(withinGrace(cfg.Options.Timeout, grace)), grace)
}

// boundText says what a shutdown takes at most, and what a grace makes of it.
func boundText(a planJSON) string {
	text := fmt.Sprintf("a shutdown takes %s at most", report.Duration(a.Bound))
	switch {
	case a.Timeout == 0:
		text += "; shutdown.timeout is none: no other bound than the sum"
	case a.Squeezed:
		text += fmt.Sprintf("; all that may be needed is more: who is slow is killed early, and each step to come keeps "+
			"its reserve, up to %s", report.Duration(a.Reserve))
	}
	text += "\n"
	if a.Grace == nil {
		return text
	}
	if a.Grace.Fits {
		return text + fmt.Sprintf("grace %s: enough\n", report.Duration(a.Grace.Grace))
	}
	grace := report.Duration(a.Grace.Grace)
	return text + fmt.Sprintf("grace %s: too short for the %s that are configured; with --grace %s the shutdown is kept to "+
		"%s\n", grace, report.Duration(a.Grace.Configured), grace, report.Duration(a.Timeout))
}
