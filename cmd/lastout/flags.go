package main

import (
	"encoding/json"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/cmd/lastout/onecmd"
	"lastout/supervisor/config"
)

// variable is the environment variable that can set a flag: LASTOUT_ and its name.
func variable(flag string) []string {
	return []string{"LASTOUT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))}
}

func textFlag(name, usage string) *cli.StringFlag {
	return &cli.StringFlag{Name: name, EnvVars: variable(name), Usage: usage}
}

func neededFlag(name, usage string) cli.Flag {
	f := textFlag(name, usage)
	f.Required = true
	return f
}

func fileFlag(name, usage string) *cli.StringFlag {
	f := textFlag(name, usage)
	f.TakesFile = true
	return f
}

// choiceFlag is one that has no other values than these.
func choiceFlag(name, usage, value string, values ...string) *cli.StringFlag {
	f := textFlag(name, usage+" `"+strings.Join(values, "|")+"`")
	f.Value, f.Action = value, oneOf(name, values...)
	return f
}

func durationFlag(name string, value time.Duration, usage string) cli.Flag {
	return &cli.DurationFlag{Name: name, Value: value, EnvVars: variable(name), Usage: usage}
}

func intFlag(name string, value int, usage string) cli.Flag {
	return &cli.IntFlag{Name: name, Value: value, EnvVars: variable(name), Usage: usage}
}

func numberFlag(name string, value float64, usage string) cli.Flag {
	return &cli.Float64Flag{Name: name, Value: value, EnvVars: variable(name), Usage: usage}
}

func boolFlag(name, usage string, aliases ...string) cli.Flag {
	return &cli.BoolFlag{Name: name, Aliases: aliases, EnvVars: variable(name), Usage: usage}
}

func configFlag() cli.Flag {
	f := fileFlag("config", "read the configuration from `FILE`")
	f.Aliases, f.Value = []string{"c"}, "lastout.toml"
	return f
}

func profileFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "profile", Aliases: []string{"p"}, EnvVars: variable("profile"),
		Usage: "take along the processes of profile `P`; may be given more than once",
	}
}

func graceFlag(usage string) cli.Flag { return durationFlag("grace", 0, usage) }

func outputFlag() cli.Flag {
	f := choiceFlag("output", "answer as", "text", "text", "json")
	f.Aliases = []string{"o"}
	return f
}

// oneOf refuses any other value of a flag.
func oneOf(flag string, values ...string) func(*cli.Context, string) error {
	return func(_ *cli.Context, value string) error {
		for _, v := range values {
			if v == value {
				return nil
			}
		}
		return usagef("--%s: unknown value %q%s", flag, value, didYouMean(value, values))
	}
}

// load reads the configuration that the flags name.
func load(c *cli.Context) (*config.Config, error) {
	if grace := c.Duration("grace"); c.IsSet("grace") && grace <= 0 {
		return nil, usagef("--grace: %v is no time to leave in", grace)
	}
	cfg, err := config.Load(c.String("config"), config.LoadOptions{
		Env: os.Environ(), Profiles: c.StringSlice("profile"),
	})
	return cfg, err
}

// withinGrace clamps shutdown.timeout (0: none) to what the container or unit allows.
func withinGrace(timeout, grace time.Duration) time.Duration {
	within := onecmd.Within(grace)
	if timeout == 0 || timeout > within {
		return within
	}
	return timeout
}

// answerJSON writes an answer for programs.
func answerJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
