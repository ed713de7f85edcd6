package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

func (p *program) verifyCommand() *cli.Command {
	return &cli.Command{
		Name:      "verify",
		Usage:     "check the guarantees on a journal, after the fact",
		ArgsUsage: "JOURNAL",
		Description: "The order is worked out anew from the journal's first line. Exit code 0: G1 to G4 held; 1: one was\n" +
			"broken, or the file is no journal. lastout help journal says what they are.",
		Flags:  []cli.Flag{outputFlag()},
		Action: p.verify,
	}
}

// verdictJSON is the answer for programs.
type verdictJSON struct {
	Name       string          `json:"name"`
	Reports    int             `json:"reports"`
	Finished   bool            `json:"finished"`
	Cut        int             `json:"cut,omitempty"` // the line that was cut off
	Violations []violationJSON `json:"violations"`
}

type violationJSON struct {
	Guarantee string `json:"guarantee"`
	Line      int    `json:"line"`
	Text      string `json:"text"`
}

func (p *program) verify(c *cli.Context) error {
	if c.Args().Len() != 1 {
		return usagef("verify needs one journal: lastout verify FILE")
	}
	file := c.Args().First()
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("cannot open journal: %w", err)
	}
	defer f.Close()
	j, err := journal.Read(f)
	if err != nil {
		return fmt.Errorf("cannot read journal %s: %w", file, err)
	}
	violations := journal.Verify(j)
	if c.String("output") == "json" {
		err = answerJSON(p.stdout, verdict(j, violations))
	} else {
		err = write(p.stdout, verdictText(file, j, violations))
	}
	if err == nil && len(violations) > 0 {
		err = codeError(exitFailed)
	}
	return err
}

func verdict(j *journal.Journal, violations []journal.Violation) verdictJSON {
	v := verdictJSON{
		Name: j.Header.Name, Reports: len(j.Entries), Finished: finished(j), Cut: j.Cut, Violations: []violationJSON{},
	}
	for _, one := range violations {
		v.Violations = append(v.Violations, violationJSON(one))
	}
	return v
}

func finished(j *journal.Journal) bool {
	n := len(j.Entries)
	return n > 0 && j.Entries[n-1].Report.Outcome != nil
}

func verdictText(file string, j *journal.Journal, violations []journal.Violation) string {
	text := ""
	for _, v := range violations {
		text += fmt.Sprintf("%s:%d: %s: %s\n", file, v.Line, v.Guarantee, v.Text)
	}
	if j.Cut > 0 {
		text += fmt.Sprintf("%s:%d: the last line was cut off and is left out\n", file, j.Cut)
	}
	if !finished(j) {
		text += fmt.Sprintf("%s: it ends before the shutdown does; checked as far as it goes\n", file)
	}
	if len(violations) > 0 {
		return text + fmt.Sprintf("%s in %s\n", report.Count(len(violations), "violation"), report.Count(len(j.Entries), "report"))
	}
	return text + fmt.Sprintf("%s: G1 to G4 held in %s\n", file, report.Count(len(j.Entries), "report"))
}
