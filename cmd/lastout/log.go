package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"lastout/process"
	"lastout/process/output"
	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/control"
	"lastout/supervisor/report"
)

// logger is lastout's own log, on stderr. Its lines go through a sink of their own before they come to that of stderr,
// which children may share and fill: while that one is behind, lines are kept as far as there is room and dropped
// beyond it, so that a blocked stderr never holds the loop up.
type logger struct {
	zerolog.Logger
	queue  *output.Sink
	stderr *output.Sink
	color  bool
	json   bool
}

func newLogger(stderr *output.Sink, settings config.LogSettings, color bool) *logger {
	l := &logger{queue: output.NewSink(io.Writer(stderr)), stderr: stderr, color: color}
	l.json = settings.Format == "json"
	l.queue.Hurry(0)
	var to io.Writer = l.queue
	if !l.json {
		to = console(l.queue, color, settings.Format == "auto" && os.Getenv("JOURNAL_STREAM") != "")
	}
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	level, err := zerolog.ParseLevel(settings.Level)
	if err != nil {
		level = zerolog.InfoLevel
	}
	l.Logger = zerolog.New(to).Level(level).With().Timestamp().Logger()
	return l
}

// console writes for people. A service manager's journal stamps lines itself.
func console(to io.Writer, color, stamped bool) zerolog.ConsoleWriter {
	w := zerolog.ConsoleWriter{
		Out: to, NoColor: !color, TimeFormat: "15:04:05.000",
		FieldsExclude: []string{"kind", "process", "instance", "run", "report"},
	}
	if stamped {
		w.PartsExclude = []string{zerolog.TimestampFieldName}
	}
	return w
}

func (l *logger) warn(text string)  { l.Warn().Msg(text) }
func (l *logger) info(text string)  { l.Info().Msg(text) }
func (l *logger) debug(text string) { l.Debug().Msg(text) }

// flush waits, for a bounded time, until all is written.
func (l *logger) flush(bound time.Duration) {
	if l.queue.Flush(bound) {
		l.stderr.Flush(bound)
	}
}

// begin is the first line.
func (l *logger) begin(cfg *config.Config) {
	name, _ := buildVersion()
	plan := supervisor.MakePlan(cfg.Graph, cfg.Specs, cfg.Options)
	l.Info().Str("version", name).Int("pid", os.Getpid()).Str("file", cfg.File).
		Msgf("%s: %s; a shutdown takes %s at most", cfg.Name, report.Count(len(cfg.Processes), "process"), report.Duration(plan.Bound))
}

// trees says once by which means descendants are known here, and what is missing.
func (l *logger) trees(c process.Capabilities) {
	if c.Cgroup == "" && c.NoProc != "" {
		l.Info().Str("cgroup", c.NoCgroup).Msg("descendants are told by their process group")
	} else if c.Cgroup == "" {
		l.Info().Str("cgroup", c.NoCgroup).Msg("descendants are told by their tag and descent")
	} else {
		l.Info().Str("cgroup", c.Cgroup).Msg("each run has a cgroup of its own")
	}
	if c.NoProc != "" {
		l.warn(c.NoProc + ": a descendant that leaves the process group of its main process is not waited for, and no drain " +
			"works from outside (lastout help surroundings)")
	}
	if !c.Pidfd {
		l.warn("this kernel has no pidfds: a signal may reach a process that was given a dead one's pid")
	}
}

// report logs what the machine says.
func (l *logger) report(r supervisor.Report) {
	level, text := describe(r)
	if text == "" {
		return
	}
	ev := l.WithLevel(level)
	if !ev.Enabled() || level < l.GetLevel() {
		return
	}
	ev.Str("kind", string(r.Kind))
	if r.Process != "" {
		ev.Str("process", r.Process)
	}
	if r.Instance != "" {
		ev.Str("instance", r.Instance)
	}
	if r.Run != 0 {
		ev.Uint64("run", uint64(r.Run))
	}
	if r.PID != 0 {
		ev.Int("pid", r.PID)
	}
	if l.json {
		ev.Interface("report", r)
	}
	ev.Msg(text)
}

// status prints the tree as it stands, within so many columns; 0: as many as it takes.
func (l *logger) status(s control.Status, width int) {
	if l.json {
		l.Info().Interface("status", s).Msg("status")
		return
	}
	l.lines(statusView{width: width, color: l.color}.text(&s, nil))
}

// shutdown prints the report of the shutdown. With a width above 0 it has a timeline.
func (l *logger) shutdown(s *report.Shutdown, width int) {
	if l.json {
		l.Info().Interface("shutdown", s).Msg("the shutdown is over")
		return
	}
	var b bytes.Buffer
	s.Text(&b, width, l.color)
	l.lines(b.String())
}

// lines writes text that is laid out already.
func (l *logger) lines(text string) {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	_, _ = io.WriteString(l.queue, text)
}
