package main

import (
	"encoding/json"
	"io"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/config"
)

// Each flag can be set by an environment variable of its own, LASTOUT_ and its name.

func configFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "config", Aliases: []string{"c"}, Value: "lastout.toml", EnvVars: []string{"LASTOUT_CONFIG"},
		Usage: "read the configuration from `FILE`", TakesFile: true,
	}
}

func profileFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "profile", Aliases: []string{"p"}, EnvVars: []string{"LASTOUT_PROFILE"},
		Usage: "take along the processes of profile `P`; may be given more than once",
	}
}

func graceFlag(usage string) cli.Flag {
	return &cli.DurationFlag{Name: "grace", EnvVars: []string{"LASTOUT_GRACE"}, Usage: usage}
}

func outputFlag() cli.Flag {
	return &cli.StringFlag{
		Name: "output", Aliases: []string{"o"}, Value: "text", EnvVars: []string{"LASTOUT_OUTPUT"},
		Usage: "answer as `text|json`", Action: oneOf("output", "text", "json"),
	}
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

// withinGrace clamps shutdown.timeout (0: none) to what the container or unit allows, less what the last steps and a
// late timer need: 500 ms or 5 %, whichever is more, but never more than half of it.
func withinGrace(timeout, grace time.Duration) time.Duration {
	within := max(grace-max(500*time.Millisecond, grace/20), grace/2)
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
