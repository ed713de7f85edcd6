package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

func (p *program) reportCommand() *cli.Command {
	output := choiceFlag("output", "answer as", "text", "text", "json", "svg", "html")
	output.Aliases = []string{"o"}
	return &cli.Command{
		Name:      "report",
		Usage:     "the last shutdown as a timeline: who waited for whom, who was killed, what was cut off",
		ArgsUsage: "[FILE]",
		Description: "FILE is a journal (lastout run --journal); - reads one from stdin. Without it, it is the newest\n" +
			"one with a shutdown in it that was kept of the tree of the configuration, or of --name.\n\n" +
			"  lastout report -o html > stop.html",
		Flags:  []cli.Flag{configFlag(), textFlag("name", "the shutdown of the tree `NAME`"), stateFlag(), output},
		Action: p.report,
	}
}

func (p *program) report(c *cli.Context) error {
	if c.Args().Len() > 1 {
		return usagef("report takes one journal, and got %q too", c.Args().Get(1))
	}
	j, file, err := p.findJournal(c)
	if err != nil {
		return err
	}
	s := report.New(j.reports(), treeOf(j.Header))
	switch c.String("output") {
	case "json":
		return answerJSON(p.stdout, s)
	case "svg":
		return s.SVG(p.stdout)
	case "html":
		return s.HTML(p.stdout, filepath.Base(file))
	}
	if err := write(p.stdout, s.Whence()+"\n"); err != nil {
		return err
	}
	s.Text(p.stdout, width(p.stdout), onTerminal(p.stdout))
	return nil
}

// readJournal is a journal with the shutdown that is looked for.
type readJournal struct{ *journal.Journal }

// reports are all its lines.
func (j readJournal) reports() []supervisor.Report {
	all := make([]supervisor.Report, len(j.Entries))
	for i, e := range j.Entries {
		all[i] = e.Report
	}
	return all
}

// shutdown says whether one has begun in it.
func (j readJournal) shutdown() bool {
	return slices.ContainsFunc(j.Entries, func(e journal.Entry) bool {
		return e.Report.Kind == supervisor.KindPhase && e.Report.Phase != supervisor.Up
	})
}

// findJournal reads the journal that is asked for.
func (p *program) findJournal(c *cli.Context) (readJournal, string, error) {
	switch file := c.Args().First(); file {
	case "":
		return lastShutdown(c)
	case "-":
		j, err := read(os.Stdin, "stdin")
		return j, "stdin", err
	default:
		j, err := readFile(file)
		return j, file, err
	}
}

func readFile(file string) (readJournal, error) {
	f, err := os.Open(file)
	if err != nil {
		return readJournal{}, fmt.Errorf("cannot open journal: %w", err)
	}
	defer f.Close()
	return read(f, file)
}

func read(r io.Reader, name string) (readJournal, error) {
	j, err := journal.Read(r)
	if err != nil {
		return readJournal{}, fmt.Errorf("cannot read journal %s: %w", name, err)
	}
	return readJournal{j}, nil
}

// lastShutdown is the newest kept journal with a shutdown in it: of the tree that is named, of that of the configuration,
// or, where there is none, of any.
func lastShutdown(c *cli.Context) (readJournal, string, error) {
	root, err := stateDir(c.String("state"))
	if err != nil {
		return readJournal{}, "", err
	}
	name, err := treeName(c)
	if err != nil {
		return readJournal{}, "", err
	}
	files, err := keptFiles(root, name)
	if err != nil {
		return readJournal{}, "", err
	}
	for _, file := range slices.Backward(files) {
		j, err := readFile(file)
		if err == nil && j.shutdown() {
			return j, file, nil
		}
	}
	if name == "" {
		return readJournal{}, "", fmt.Errorf("no shutdown was kept in %s", root)
	}
	return readJournal{}, "", fmt.Errorf("no shutdown of %s was kept in %s", name, root)
}

// treeName is the tree that is meant; empty: any.
func treeName(c *cli.Context) (string, error) {
	if name := c.String("name"); name != "" {
		if strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, ".") {
			return "", usagef("--name: %q is no name of a tree", name)
		}
		return name, nil
	}
	file := c.String("config")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) && !c.IsSet("config") {
		return "", nil
	}
	at, err := config.Locate(file, os.Environ())
	return at.Name, err
}

// keptFiles are the kept journals of a tree, or of all, the newest last.
func keptFiles(root, name string) ([]string, error) {
	dirs := []string{name}
	if name == "" {
		entries, err := os.ReadDir(root)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		dirs = nil
		for _, e := range entries {
			dirs = append(dirs, e.Name())
		}
	}
	var files []string
	for _, dir := range dirs {
		names, err := kept(filepath.Join(root, dir))
		if err != nil && name != "" && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, n := range names {
			files = append(files, filepath.Join(root, dir, n))
		}
	}
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(filepath.Base(a), filepath.Base(b)) })
	return files, nil
}
