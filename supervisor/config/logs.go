package config

import (
	"fmt"
	"path/filepath"
)

// The defaults of a log file.
const (
	defaultMaxSize  = 10 << 20
	defaultMaxFiles = 5
)

var logModes = map[string]LogMode{"prefix": LogPrefix, "inherit": LogInherit, "file": LogFile, "null": LogNull}

// piped says whether a stream of this mode comes by lastout.
func piped(mode string) bool { return mode == "prefix" || mode == "file" }

// log says where the output of a process goes.
func (l *loader) log(p *process) Log {
	t := p.t.table("log")
	log := Log{
		Stdout:     logModes[t.str("stdout", "prefix")],
		Stderr:     logModes[t.str("stderr", "prefix")],
		MaxSize:    t.size("max_size", defaultMaxSize),
		MaxFiles:   t.integer("max_files", defaultMaxFiles),
		Timestamps: t.flag("timestamps", false),
	}
	switch {
	case log.toFile() && t.str("file", "") == "" && !t.bad("file"):
		at := t.place("stdout")
		if log.Stdout != LogFile {
			at = t.place("stderr")
		}
		l.fault(at, p.who+`log: "file" needs the name of one (such as file = "/var/log/{name}.log")`)
	case !log.toFile() && p.own.table("log").has("file"):
		l.fault(t.place("file"), p.who+`log.file: nothing goes there (let stdout or stderr be "file")`)
	}
	return log
}

func (l Log) toFile() bool { return l.Stdout == LogFile || l.Stderr == LogFile }

// logFile is the file that an instance's output goes to, if one does.
func (b *builder) logFile(p *process) string {
	t := p.t.table("log")
	if t.str("stdout", "") != "file" && t.str("stderr", "") != "file" || t.str("file", "") == "" {
		return ""
	}
	at := t.place("file")
	file, _ := b.expand(at, "log.file", t.str("file", ""))
	return abs(at, file)
}

// shareNoFile refuses two processes that log into one file: each would rotate it under the other. The instances of one
// process share one writer.
func (l *loader) shareNoFile(found []*process) {
	owner := map[string]*process{}
	for _, p := range found {
		for _, i := range p.built.Instances {
			if i.LogFile == "" {
				continue
			}
			first, taken := owner[i.LogFile]
			if taken && first != p {
				file := p.t.table("log")
				l.fault(file.place("file"), p.who+fmt.Sprintf(
					"log.file: process %q logs into that file already (give each its own: file = %q)", first.name,
					nearFile(file.str("file", ""))))
				break
			}
			owner[i.LogFile] = p
		}
	}
}

// nearFile suggests a file for each process.
func nearFile(file string) string { return filepath.Join(filepath.Dir(file), "{name}.log") }
