package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"
)

// version is set by the build; without it, the build info of Go tells.
var version string

// buildVersion is what this binary calls itself.
func buildVersion() (name, revision string) {
	name = version
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return name, ""
	}
	if name == "" {
		name = strings.Trim(info.Main.Version, "()")
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return name, revision
}

func (p *program) versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "which lastout this is",
		Flags: []cli.Flag{outputFlag()},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			name, revision := buildVersion()
			if c.String("output") == "json" {
				return answerJSON(p.stdout, map[string]string{
					"version": name, "revision": revision, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			text := fmt.Sprintf("lastout %s", name)
			if revision != "" {
				text += fmt.Sprintf(" (%.12s)", revision)
			}
			return write(p.stdout, fmt.Sprintf("%s %s %s/%s\n", text, runtime.Version(), runtime.GOOS, runtime.GOARCH))
		},
	}
}
