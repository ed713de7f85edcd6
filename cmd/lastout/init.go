package main

import (
	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/onecmd"
)

// initCommand is for help and completion: the verb itself is over before the command line is looked at here (onecmd).
func (p *program) initCommand() *cli.Command {
	c := &cli.Command{
		Name:      "init",
		Usage:     "PID 1 for one command, no configuration: reap, pass signals on, wait for everybody, give its exit code",
		ArgsUsage: "[--] CMD [ARG...]",
		Description: "Called as tini, docker-init or dumb-init, lastout takes that program's command line.\n" +
			"lastout help containers tells more.",
	}
	for _, f := range onecmd.Flags() {
		if f.Long == "help" {
			continue
		}
		names := []string(nil)
		if f.Short != "" {
			names = append(names, f.Short)
		}
		env := []string{f.Env}
		if f.Value == "" {
			c.Flags = append(c.Flags, &cli.BoolFlag{Name: f.Long, Aliases: names, EnvVars: env, Usage: f.Usage})
			continue
		}
		usage := f.Usage + ": `" + f.Value + "`"
		c.Flags = append(c.Flags, &cli.StringFlag{Name: f.Long, Aliases: names, EnvVars: env, Usage: usage})
	}
	return c
}
