package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/config"
)

// namesCommand is for the completion of shells: the names of processes and instances, one in a line. It says nothing where
// it knows nothing.
func (p *program) namesCommand() *cli.Command {
	return &cli.Command{
		Name: "names", Hidden: true, Usage: "names for the completion of shells", Flags: reachFlags(), Action: p.names,
	}
}

// completionBound is how long somebody waits for a completion.
const completionBound = time.Second

func (p *program) names(c *cli.Context) error {
	names := runningNames(c)
	if names == nil {
		names = configuredNames(c)
	}
	if len(names) == 0 {
		return nil
	}
	return write(p.stdout, strings.Join(names, "\n")+"\n")
}

// runningNames asks the tree that runs; nil: none does.
func runningNames(c *cli.Context) []string {
	client, _, err := connect(c)
	if err != nil {
		return nil
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), completionBound)
	defer cancel()
	status, err := client.Status(ctx, nil, true)
	if err != nil {
		return nil
	}
	names := []string{}
	for _, process := range status.Processes {
		names = append(names, process.Name)
		for _, x := range process.Instances {
			if x.Name != process.Name {
				names = append(names, x.Name)
			}
		}
	}
	return names
}

// configuredNames are those of the file.
func configuredNames(c *cli.Context) []string {
	cfg, err := config.Load(c.String("config"), config.LoadOptions{Env: os.Environ()})
	if err != nil {
		return nil
	}
	var names []string
	for _, process := range cfg.Processes {
		names = append(names, process.Name)
		for _, x := range process.Instances {
			names = append(names, x.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
