package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor"
	"lastout/supervisor/control"
)

func (p *program) eventsCommand() *cli.Command {
	output := choiceFlag("output", "show as", "json", "json", "text")
	output.Aliases = []string{"o"}
	return &cli.Command{
		Name:  "events",
		Usage: "the last events of the tree, one line of JSON each, as the journal has them",
		Flags: reachFlags(
			boolFlag("follow", "go on with those that come, until Ctrl-C or the end of the tree", "f"),
			intFlag("tail", -1, "begin with so many of the last; -1: all that are kept"),
			output,
		),
		Action: p.events,
	}
}

func (p *program) events(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	client, about, err := connect(c)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := interruptible()
	defer cancel()
	enc := json.NewEncoder(p.stdout)
	enc.SetEscapeHTML(false)
	err = client.Events(ctx, control.EventsOptions{Follow: c.Bool("follow"), Tail: c.Int("tail")},
		func(r supervisor.Report) error {
			if c.String("output") == "json" {
				return enc.Encode(r)
			}
			if _, text := describe(r); text != "" {
				return write(p.stdout, fmt.Sprintf("%s %s\n", about.Began.Add(r.At).Local().Format("15:04:05.000"), text))
			}
			return nil
		})
	return p.followed(ctx.Err(), err)
}

// followed is how a verb ends that goes on until it is interrupted, or the tree ends.
func (p *program) followed(interrupted, err error) error {
	if interrupted != nil || goneAway(err) {
		return nil
	}
	return err
}

// sinceFlag takes a time of day, or how long ago that was.
func sinceOf(c *cli.Context) (time.Time, error) {
	text := c.String("since")
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return time.Now().Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02"} {
		if t, err := time.ParseInLocation(layout, text, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, usagef("--since: %q is neither how long ago (10m) nor a time (2006-01-02T15:04:05)", text)
}
