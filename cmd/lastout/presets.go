package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"lastout/supervisor/config"
)

// presetJSON is one preset for programs.
type presetJSON struct {
	Name     string   `json:"name"`
	Settings string   `json:"settings"`
	Pitfalls []string `json:"pitfalls,omitempty"`
	Source   string   `json:"source"`
}

func (p *program) presetsCommand() *cli.Command {
	return &cli.Command{
		Name:      "presets",
		Usage:     "the programs whose ways are known: how they want to be drained and stopped, and what surprises",
		ArgsUsage: "[NAME...]",
		Description: "preset = \"NAME\" gives a process the settings that are shown here. Its own keys win over them, and they\n" +
			"win over [defaults]. Names show those presets alone.",
		Flags:  []cli.Flag{outputFlag()},
		Action: p.presets,
	}
}

func (p *program) presets(c *cli.Context) error {
	all := config.Presets()
	var chosen []config.Preset
	for _, name := range c.Args().Slice() {
		preset, err := presetNamed(all, name)
		if err != nil {
			return err
		}
		chosen = append(chosen, preset)
	}
	if c.Args().Len() == 0 {
		chosen = all
	}
	if c.String("output") == "json" {
		return answerJSON(p.stdout, presetsJSON(chosen))
	}
	return write(p.stdout, presetsText(chosen))
}

func presetNamed(all []config.Preset, name string) (config.Preset, error) {
	names := make([]string, len(all))
	for i, preset := range all {
		if preset.Name == name {
			return preset, nil
		}
		names[i] = preset.Name
	}
	hint := "known: " + strings.Join(names, ", ")
	if near := config.Closest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return config.Preset{}, usagef("no preset is called %q (%s)", name, hint)
}

func presetsJSON(presets []config.Preset) []presetJSON {
	all := make([]presetJSON, len(presets))
	for i, preset := range presets {
		all[i] = presetJSON{Name: preset.Name, Settings: preset.Settings, Source: preset.Source}
		for _, pitfall := range preset.Pitfalls {
			all[i].Pitfalls = append(all[i].Pitfalls, pitfall.Text)
		}
	}
	return all
}

func presetsText(presets []config.Preset) string {
	var b strings.Builder
	for i, preset := range presets {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", preset.Name)
		for line := range strings.Lines(strings.TrimSpace(preset.Settings)) {
			fmt.Fprintf(&b, "    %s\n", strings.TrimSpace(line))
		}
		for _, pitfall := range preset.Pitfalls {
			fmt.Fprintf(&b, "    ! %s\n", pitfall.Text)
		}
		fmt.Fprintf(&b, "    (%s)\n", preset.Source)
	}
	return b.String()
}
