package engine

import (
	"fmt"
	"slices"

	"lastout/process/output"
	"lastout/supervisor/config"
)

// logFile is a file that one or several instances write to.
type logFile struct {
	*output.Sink
	options output.FileOptions
	first   string         // the instance for which it was opened
	shared  bool           // several write to it
	pipes   []*output.Pipe // that may still bring something
	unnamed bool           // in the configuration that is in force
}

// unused says that nobody will write to it any more.
func (f *logFile) unused() bool {
	f.pipes = slices.DeleteFunc(f.pipes, func(p *output.Pipe) bool {
		select {
		case <-p.Done():
			return true
		default:
			return false
		}
	})
	return f.unnamed && len(f.pipes) == 0
}

// addAll opens the log files of a configuration. Where one cannot be, all are closed.
func (o *outputs) addAll(c *config.Config) error {
	err := o.addOf(c)
	if err != nil {
		o.close()
	}
	return err
}

// addOf opens the log files of a configuration, beside those that are open.
func (o *outputs) addOf(c *config.Config) error {
	for id := range c.Processes {
		p := &c.Processes[id]
		for n := range p.Instances {
			if _, err := o.add(p.Log, &p.Instances[n]); err != nil {
				return fmt.Errorf("process %q: %w", p.Name, err)
			}
		}
	}
	return nil
}

// add returns the log file of an instance, and opens it where nobody has it open; nil: it has none.
func (o *outputs) add(log config.Log, inst *config.Instance) (*logFile, error) {
	if log.Stdout != config.LogFile && log.Stderr != config.LogFile {
		return nil, nil
	}
	if f := o.use(inst, nil); f != nil {
		return f, nil
	}
	options := output.FileOptions{Path: inst.LogFile, MaxSize: log.MaxSize, MaxFiles: log.MaxFiles}
	sink, err := output.OpenFile(options) // without the lock: a file system that hangs must not hold everybody up
	if err != nil {
		return nil, err
	}
	fresh := &logFile{Sink: sink, options: options, first: inst.Name}
	f := o.use(inst, fresh)
	if f != fresh {
		sink.Close(0) // somebody else was faster
	}
	return f, nil
}

// use gives an instance the file that is open at its path; where none is, it is the fresh one from here on.
func (o *outputs) use(inst *config.Instance, fresh *logFile) *logFile {
	o.mu.Lock()
	defer o.mu.Unlock()
	f := o.byPath[inst.LogFile]
	switch {
	case f != nil:
		f.shared, f.unnamed = f.shared || f.first != inst.Name, false
	case fresh != nil:
		if o.failed != nil {
			fresh.OnError(o.failed)
		}
		o.files = append(o.files, fresh)
		o.byPath[inst.LogFile] = fresh
		return fresh
	}
	return f
}

// feeds says that a pipe brings lines to a log file.
func (o *outputs) feeds(p *output.Pipe, f *logFile) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f.pipes = append(f.pipes, p)
}

// sharing says whether the lines of several instances go to a log file.
func (o *outputs) sharing(f *logFile) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return f.shared
}

// heed gives the log files the bounds of a configuration that has come in force, and closes those it does not name once
// nobody writes to them any more.
func (o *outputs) heed(c *config.Config) {
	o.mu.Lock()
	for _, f := range o.files {
		f.unnamed = true
	}
	for id := range c.Processes {
		p := &c.Processes[id]
		for n := range p.Instances {
			if f := o.byPath[p.Instances[n].LogFile]; f != nil {
				f.unnamed = false
				f.limit(p.Log)
			}
		}
	}
	o.mu.Unlock()
	o.tails.Go(o.closeUnused)
}

// limit gives it other bounds, where they are others.
func (f *logFile) limit(log config.Log) {
	if f.options.MaxSize != log.MaxSize || f.options.MaxFiles != log.MaxFiles {
		f.options.MaxSize, f.options.MaxFiles = log.MaxSize, log.MaxFiles
		f.Limit(log.MaxSize, log.MaxFiles)
	}
}

// closeUnused closes the log files to which nobody will write any more.
func (o *outputs) closeUnused() {
	o.mu.Lock()
	var gone []*logFile
	o.files = slices.DeleteFunc(o.files, func(f *logFile) bool {
		unused := f.unused()
		if unused {
			gone = append(gone, f)
			delete(o.byPath, f.options.Path)
		}
		return unused
	})
	failed := o.failed
	o.mu.Unlock()
	for _, f := range gone {
		f.Close(lastFlush)
		if text := lostIn(f.Sink, f.options.Path); text != "" && failed != nil {
			failed(fmt.Errorf("%s", text))
		}
	}
}

// lostIn says for people how much of what was written to a sink was lost; nothing: it was nothing.
func lostIn(s *output.Sink, name string) string {
	lines, bytes := s.Dropped()
	if bytes == 0 {
		return ""
	}
	return fmt.Sprintf("%s did not take all output: %d lines (%d bytes) were dropped", name, lines, bytes)
}
