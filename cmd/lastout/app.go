package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/process"
	"lastout/supervisor/config"
)

// The exit codes that the command line itself gives; those of a shutdown come from its outcome.
const (
	exitFailed = 1
	exitUsage  = 2
)

// program is one call of lastout.
type program struct {
	stdout, stderr *os.File
	boot           *process.Booted // nil unless the verb is run
	guard          *guard          // nil: there is no guardian
	proof          *os.File        // not nil: it is only to be found out whether this build could take a tree over
}

// usageError is a call that cannot be understood.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// codeError ends with a code and says nothing more: all was said.
type codeError int

func (e codeError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// main runs the verb and returns the exit code.
func (p *program) main(args []string) int {
	app := p.app()
	err := app.Run(flagsFirst(app, args))
	var usage *usageError
	var faults *config.Error
	var code codeError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &faults):
		fmt.Fprintln(p.stderr, faults)
		return exitUsage
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "lastout: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(p.stderr, "lastout: %v\n", err)
	return exitFailed
}

// app is the whole command line. Help is a verb of ours: it knows topics.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name:            "lastout",
		Usage:           "shows everybody out in the right order",
		UsageText:       "lastout VERB [flags]\nlastout help [VERB or TOPIC]",
		Description:     description,
		HideHelpCommand: true,
		HideVersion:     true,
		Writer:          p.stdout,
		ErrWriter:       p.stderr,
		ExitErrHandler:  func(*cli.Context, error) {}, // main says it, and gives the code
		Commands: []*cli.Command{
			p.runCommand(), p.initCommand(), p.checkCommand(), p.planCommand(), p.graphCommand(), p.verifyCommand(), p.presetsCommand(),
			p.statusCommand(), p.waitCommand(), p.logsCommand(), p.eventsCommand(), p.downCommand(), p.upgradeCommand(),
			p.reportCommand(), p.exportCommand(), p.namesCommand(),
			p.rehearseCommand(), p.demoCommand(), p.completionCommand(), p.versionCommand(), p.schemaCommand(), p.helpCommand(),
		},
		Action: unknownVerb,
	}
	app.Commands = slices.Insert(app.Commands, 7, p.operationCommands()...)
	app.OnUsageError = wrongFlag
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

const description = `lastout launches gateways and workers from a TOML dependency graph, keeps them running, and on a
signal takes the tree down so that no response is lost: the workers finish, the gateways carry their answers out, and
only then do the gateways go.`

// prepare gives a verb, and those below it, what all have in common.
func prepare(c *cli.Command) {
	c.HideHelpCommand = true
	c.OnUsageError = wrongFlag
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
}

// unknownVerb is what happens without a verb that is known.
func unknownVerb(c *cli.Context) error {
	if c.Args().Len() == 0 {
		c.App.Writer = c.App.ErrWriter
		if err := cli.ShowAppHelp(c); err != nil {
			return err
		}
		return codeError(exitUsage)
	}
	return usagef("unknown verb %q%s", c.Args().First(), didYouMean(c.Args().First(), verbs(c.App.Commands)))
}

// verbs lists the names of commands.
func verbs(commands []*cli.Command) []string {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Names()...)
		}
	}
	return names
}

// wrongFlag says which flag is wrong, and which may have been meant. The flag package's own words are few: the name
// stands in its error only.
func wrongFlag(c *cli.Context, err error, _ bool) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef("%v (lastout help %s shows the flags)", err, c.Command.Name)
	}
	name = strings.TrimLeft(name, "-")
	var known []string
	for _, f := range c.Command.Flags {
		for _, n := range f.Names() {
			if len(n) > 1 {
				known = append(known, n)
			}
		}
	}
	near := config.Closest(name, known)
	if near != "" {
		near = fmt.Sprintf(" (did you mean --%s?)", near)
	}
	return usagef("unknown flag --%s%s", name, near)
}

// didYouMean suggests the name that may have been meant.
func didYouMean(name string, known []string) string {
	if near := config.Closest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return fmt.Sprintf(" (known: %s)", strings.Join(known, ", "))
}

// flagsFirst moves flags before the other arguments of a verb, so that both orders work: the flag package stops at the
// first argument that is no flag. What follows "--" stays as it is.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) < 2 {
		return args
	}
	command, at := app.Command(args[1]), 2
	for command != nil && at < len(args) && len(command.Subcommands) > 0 {
		i := slices.IndexFunc(command.Subcommands, func(c *cli.Command) bool { return c.HasName(args[at]) })
		if i < 0 {
			break
		}
		command, at = command.Subcommands[i], at+1
	}
	if command == nil {
		return args
	}
	var flags, rest []string
	for i := at; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			rest = append(rest, args[i:]...)
			i = len(args)
		case len(arg) < 2 || arg[0] != '-':
			rest = append(rest, arg)
		default:
			flags = append(flags, arg)
			if !strings.Contains(arg, "=") && takesValue(command, arg) && i+1 < len(args) {
				i++
				flags = append(flags, args[i])
			}
		}
	}
	return slices.Concat(args[:at], flags, rest)
}

// takesValue says whether a flag of the command is followed by its value.
func takesValue(c *cli.Command, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	for _, f := range c.Flags {
		if doc, ok := f.(cli.DocGenerationFlag); ok && slices.Contains(f.Names(), name) {
			return doc.TakesValue()
		}
	}
	return false
}

// noArguments refuses what a verb would ignore.
func noArguments(c *cli.Context) error {
	if c.Args().Len() > 0 {
		return usagef("%s takes no argument, and got %q (lastout help %s)", c.Command.Name, c.Args().First(), c.Command.Name)
	}
	return nil
}

// onTerminal says whether a file is a terminal that may be coloured: NO_COLOR (no-color.org) and TERM=dumb forbid it.
func onTerminal(f *os.File) bool {
	return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(f)
}

// write prints an answer on stdout. A reader that went away is no reason to complain.
func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}
