package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/report"
)

func (p *program) exportCommand() *cli.Command {
	return &cli.Command{
		Name:  "export",
		Usage: "what whoever starts lastout has to be told, above all how long a shutdown may take",
		Description: "The tree stays lastout's: an engine that knows nothing of gateways has no words for its order. What is\n" +
			"printed has the engine start lastout, leave the order to it, and wait for as long as lastout plan says.",
		Subcommands: []*cli.Command{
			{
				Name:  "systemd",
				Usage: "the unit that runs the tree",
				Description: "  lastout export systemd > /etc/systemd/system/shop.service\n\n" +
					"The unit names this binary and the configuration by their paths. It is for the system's manager, or with\n" +
					"--user for a user's.",
				Flags: []cli.Flag{
					configFlag(), profileFlag(), boolFlag("user", "a unit of a user's own manager"),
					fileFlag("binary", "where lastout will be: `PATH` (default: this one)"),
				},
				Action: p.exportSystemd,
			},
			{
				Name:  "kubernetes",
				Usage: "what to add to a pod whose container runs the tree, as a patch",
				Flags: []cli.Flag{
					configFlag(), profileFlag(), textFlag("container", "its name is `NAME` (default: the tree's)"),
				},
				Action: p.exportKubernetes,
			},
			{
				Name:   "compose",
				Usage:  "what to add to a service whose container runs the tree, as a file to merge",
				Flags:  []cli.Flag{configFlag(), profileFlag(), textFlag("service", "its name is `NAME` (default: the tree's)")},
				Action: p.exportCompose,
			},
		},
		Action: func(c *cli.Context) error {
			if c.Args().Len() == 0 {
				return usagef("export needs to know for whom (known: systemd, kubernetes, compose)")
			}
			return usagef("export: unknown engine %q%s", c.Args().First(),
				didYouMean(c.Args().First(), []string{"systemd", "kubernetes", "compose"}))
		},
	}
}

// atEnd is what lastout itself may need behind the shutdown's bound: its last words, and a machine that is loaded.
const atEnd = 5 * time.Second

// patience is how long an engine has to wait for a shutdown: its bound and something over, in whole seconds.
func patience(bound time.Duration) time.Duration {
	whole := bound + max(atEnd, bound/20)
	return (whole + time.Second - 1).Truncate(time.Second)
}

// exported is what all engines are told.
type exported struct {
	*config.Config
	bound, wait time.Duration
}

func loadExport(c *cli.Context) (exported, error) {
	if err := noArguments(c); err != nil {
		return exported{}, err
	}
	cfg, err := load(c)
	if err != nil {
		return exported{}, err
	}
	if engine := c.Command.Name; engine != "systemd" { // as PID 1 of a container it lingers
		cfg.Options.Linger = cfg.Linger
	}
	bound := supervisor.MakePlan(cfg.Graph, cfg.Specs, cfg.Options).Bound
	return exported{cfg, bound, patience(bound)}, nil
}

// why says where the time comes from.
func (x exported) why() string {
	return fmt.Sprintf("A shutdown takes %s at most (lastout plan), and %s for its end", report.Duration(x.bound),
		report.Duration(x.wait-x.bound))
}

func (p *program) exportSystemd(c *cli.Context) error {
	x, err := loadExport(c)
	if err != nil {
		return err
	}
	binary := c.String("binary")
	if binary == "" {
		if binary, err = os.Executable(); err != nil {
			return err
		}
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return err
	}
	u := unit{exported: x, user: c.Bool("user"), binary: binary, profiles: c.StringSlice("profile")}
	u.reload = c.App.Command("reload") != nil
	return write(p.stdout, u.text())
}

// unit is a unit of systemd.
type unit struct {
	exported
	user     bool
	binary   string
	profiles []string
	reload   bool // there is a verb for it
}

func (u *unit) text() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Unit]")
	line("Description=%s, kept running by lastout", percents(u.Name))
	target := "default.target"
	if !u.user {
		target = "multi-user.target"
		line("Wants=network-online.target")
		line("After=network-online.target")
	}
	line("")
	line("[Service]")
	line("# It says when everything essential is ready, and that it stops; only lastout itself is heard.")
	line("Type=notify")
	line("NotifyAccess=main")
	line("ExecStart=%s", u.command("run"))
	if u.reload {
		line("ExecReload=%s", u.command("reload"))
	}
	line("# Each process has a ready.timeout of its own.")
	line("TimeoutStartSec=infinity")
	line("")
	line("# The signal goes to lastout only: it tells the others, in order.")
	line("KillMode=mixed")
	line("# %s.", u.why())
	line("TimeoutStopSec=%d", int(u.wait.Seconds()))
	line("")
	line("# It makes a control group for each run, and sees itself to a process that ran out of memory.")
	line("Delegate=yes")
	line("OOMPolicy=continue")
	line("")
	line("# A fault in the configuration does not heal by itself.")
	line("Restart=on-failure")
	line("RestartSec=1s")
	line("RestartPreventExitStatus=%d", exitUsage)
	line("# WatchdogSec=30s")
	line("")
	line("# What lastout report reads.")
	line("StateDirectory=lastout")
	line("StateDirectoryMode=0700")
	line("Environment=LASTOUT_STATE=%%S/lastout")
	line("")
	line("[Install]")
	line("WantedBy=%s", target)
	return b.String()
}

// command is a call of lastout on the configuration.
func (u *unit) command(verb string) string {
	words := []string{u.binary, verb, "-c", u.File}
	if verb == "run" {
		for _, p := range u.profiles {
			words = append(words, "-p", p)
		}
	}
	for i := range words {
		words[i] = unitWord(words[i])
	}
	return strings.Join(words, " ")
}

// unitWord is one word of a command line in a unit (systemd.service(5), COMMAND LINES; systemd.unit(5), SPECIFIERS).
func unitWord(s string) string {
	s = strings.ReplaceAll(percents(s), "$", "$$")
	if s != "" && !strings.ContainsAny(s, " \t\n\"'\\;") {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

func percents(s string) string { return strings.ReplaceAll(s, "%", "%%") }
