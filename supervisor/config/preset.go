package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"lastout/ordering"
)

// Preset is what is known of a program: how it wants to be drained and stopped, and what goes wrong with it.
type Preset struct {
	Name     string
	Settings string    // keys of a process, as in lastout.toml
	Sockets  Dialect   // how it takes listeners that lastout holds
	Pitfalls []Pitfall // what is known to surprise
	Source   string    // where the program's own documentation says so

	programs []string      // the names of its files, by which a process is known without the preset
	abrupt   []string      // signals by which it understands something else than "finish and leave"
	does     string        // what it does on those
	own      time.Duration // how long it gives its work by itself, unless told otherwise; 0: no bound, or none that is known
	ownArgs  []string      // the arguments that say otherwise, in seconds
}

// Dialect is the way in which a program takes listening sockets that are open already.
type Dialect string

// The dialects.
const (
	NoSockets Dialect = ""           // it opens its own
	ListenFDs Dialect = "LISTEN_FDS" // as from a service manager, see sd_listen_fds(3)
	NginxFDs  Dialect = "NGINX"      // $NGINX lists the numbers, each with a semicolon behind it
	FPMFDs    Dialect = "FPM_SOCKETS"
	OwnFDs    Dialect = "fd" // its own arguments or configuration name the number
)

// Pitfall is something about a program that surprises. Some can be seen in its arguments: check warns of them.
type Pitfall struct {
	Text    string
	applies func(p *process) bool // nil: nothing can be seen of it
}

// Presets are all there are, in the order of the documentation.
func Presets() []Preset { return slices.Clone(presets) }

func presetNames() []string {
	names := make([]string, len(presets))
	for i, preset := range presets {
		names[i] = preset.Name
	}
	return names
}

// presetOf is the preset that a process names; nil: none.
func presetOf(own *table) *Preset {
	name := own.str("preset", "")
	if i := slices.IndexFunc(presets, func(preset Preset) bool { return preset.Name == name }); i >= 0 {
		return &presets[i]
	}
	return nil
}

// graceful is the signal by which the program finishes and leaves.
func (preset *Preset) graceful() string {
	stop, _ := settled()[preset.Name]["stop"].(map[string]any)
	signal, _ := stop["signal"].(string)
	return signal
}

// settled is what the settings of all presets say, decoded.
var settled = sync.OnceValue(func() map[string]map[string]any {
	all := map[string]map[string]any{}
	for _, preset := range presets {
		var settings map[string]any
		if _, err := toml.Decode(preset.Settings, &settings); err != nil {
			panic(fmt.Sprintf("config: preset %s: %v", preset.Name, err))
		}
		all[preset.Name] = settings
	}
	return all
})

// table is what the preset says, as if it were written where the preset is named.
func (preset *Preset) table(r *rule, at *place) *table {
	w := &walker{fault: func(_ *place, text string) { panic("config: preset " + preset.Name + ": " + text) }}
	return w.table(r, settled()[preset.Name], &place{file: at.file, line: at.line}, "")
}

// layers lays the process's own table over its preset, and that over [defaults]. A preset's drain is for gateways, and
// for others that have a drain table of their own: they are not drained without being told so.
func (l *loader) layers(p *process) {
	r := rules().keys["process"].any
	p.written = merge(r, l.defaults, p.own)
	p.t = p.written
	p.preset = presetOf(p.own)
	if p.preset == nil {
		return
	}
	preset := p.preset.table(r, p.own.place("preset"))
	p.t = merge(r, merge(r, l.defaults, preset), p.own)
	if p.t.str("role", "worker") != ordering.Gateway.String() && !p.own.has("drain") {
		delete(p.t.vals, "drain")
	}
}

// known is what is known of the process's program, by its preset or its name.
func (p *process) known() *Preset {
	if p.preset != nil {
		return p.preset
	}
	for i, preset := range presets {
		if preset.called(p.program()) != "" {
			return &presets[i]
		}
	}
	return nil
}

// numbered is the version behind a program's name, as in php-fpm8.2.
var numbered = regexp.MustCompile(`[0-9.]+$`)

// called is the name of the preset's program, if a file of this name is one.
func (preset *Preset) called(file string) string {
	for _, name := range []string{file, numbered.ReplaceAllString(file, "")} {
		if slices.Contains(preset.programs, name) {
			return name
		}
	}
	return ""
}

// argv is the command line of a process, as far as it can be told.
func (p *process) argv() []string {
	return append(p.t.words("command"), strings.Fields(p.t.str("shell", ""))...)
}

// lintPitfalls warns of what is known to surprise and can be seen.
func (l *loader) lintPitfalls(p *process) {
	preset := p.known()
	if preset == nil {
		return
	}
	at := p.t.at
	for _, key := range []string{"shell", "command"} {
		if p.t.has(key) {
			at = p.t.place(key)
		}
	}
	for _, pitfall := range preset.Pitfalls {
		if pitfall.applies != nil && pitfall.applies(p) {
			l.warn(at, "%s%s", p.who, pitfall.Text)
		}
	}
}

// lintOwnTime warns of a first stop step that is over before the program's own time is. The program's usual time counts
// where the preset is named: only there somebody said that it is this program, with its usual settings.
func (l *loader) lintOwnTime(p *process) {
	preset := p.known()
	if preset == nil || len(p.spec.Stop) == 0 {
		return
	}
	own, told := ownTime(p.argv(), preset.ownArgs)
	if !told && p.preset != nil {
		own = preset.own
	}
	first := p.spec.Stop[0].Timeout
	if own <= first {
		return
	}
	hint := "make stop.timeout longer"
	if len(preset.ownArgs) > 0 {
		hint += ", or " + preset.ownArgs[0] + " shorter"
	}
	l.warn(p.t.table("stop").place("timeout"), "%sstop: %s gives what it has in hand %v of its own, and is cut off "+
		"after %v (%s)", p.who, preset.Name, own, first, hint)
}

// ownTime finds the last of these arguments, with the seconds that it tells.
func ownTime(argv, names []string) (own time.Duration, told bool) {
	for i, arg := range argv {
		name, value, joined := strings.Cut(arg, "=")
		if !slices.Contains(names, name) {
			continue
		}
		if !joined && i+1 < len(argv) {
			value = argv[i+1]
		}
		if n, err := strconv.ParseFloat(value, 64); err == nil && n >= 0 && n < maxDuration.Seconds() {
			own, told = time.Duration(n*float64(time.Second)), true
		}
	}
	return own, told
}
