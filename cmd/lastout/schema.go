package main

import (
	"github.com/urfave/cli/v2"

	"lastout/supervisor/config"
)

func (p *program) schemaCommand() *cli.Command {
	return &cli.Command{
		Name:  "schema",
		Usage: "the schema of lastout.toml as a JSON Schema, for editors",
		Description: "An editor that is given it completes the keys, shows what they are for, and marks what is wrong. What it\n" +
			"cannot know, such as who depends on whom, lastout check says.",
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			return answerJSON(p.stdout, config.JSONSchema())
		},
	}
}
