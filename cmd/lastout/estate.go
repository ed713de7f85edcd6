package main

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"lastout/process/output"
	"lastout/supervisor/control"
	"lastout/supervisor/engine"
	"lastout/supervisor/journal"
	"lastout/supervisor/report"
)

// estateFormat is the format of an estate. It is raised when the zero value of a new field, anywhere in it, would be
// wrong for a tree that was handed over by a build that does not have it; a field that was taken away is refused anyway.
const estateFormat = 1

// estate is all that a lastout leaves to its successor.
type estate struct {
	Version    string
	Number     int   // of the upgrade
	From       int64 // when the tree was held, by CLOCK_MONOTONIC
	Host       *engine.Kept
	Journals   []keptJournal
	Header     journal.Header
	ReportFile string
	Stderr     *output.KeptSink // nil: it is one with stdout
	Control    keptControl
	Manager    *keptHerald   // nil: there is none
	Register   *keptRegistry // nil: likewise
}

// check says whether a tree can go on with it.
func (e *estate) check() error {
	if e.Host == nil || e.Control.Recorder == nil {
		return errors.New("a part of the state is missing")
	}
	return e.Host.Check()
}

// descriptors are those that the successor needs.
func (e *estate) descriptors() []int {
	fds := e.Host.Descriptors()
	for i := range e.Journals {
		fds = append(fds, e.Journals[i].FD)
	}
	if s := e.Control.Socket; s != nil {
		fds = append(fds, s.Listener, s.Name)
	}
	if e.Register != nil {
		fds = append(fds, e.Register.FDs...)
	}
	fds = append(fds, e.Control.Listener)
	return slices.DeleteFunc(fds, func(fd int) bool { return fd <= 2 })
}

// keptJournal is a journal for a successor.
type keptJournal struct {
	Path        string
	FD          int
	Sink        output.KeptSink
	Begun       bool
	Unasked     bool // it is one that is kept for lastout report
	Size, Limit int64
}

// keptControl is the control plane.
type keptControl struct {
	Recorder *control.Recorder
	Socket   *control.KeptSocket // nil: there is none
	Listener int                 // of health and metrics; 0: there is none
	Began    int64               // in Unix nanoseconds
}

// keptHerald is what the service manager was told.
type keptHerald struct {
	Standing    *report.Standing
	Ready, Down bool
	Status      string
}

// keep tells what there is of a journal, which is written no more until its sink is resumed.
func (j *journalFile) keep() (keptJournal, error) {
	if !j.sink.Pause(diskPatience) {
		return keptJournal{}, errors.New("the journal " + j.path + " is held up by its disk")
	}
	k := keptJournal{Path: j.path, Sink: j.sink.Keep(), Begun: j.writer != nil}
	file, _ := j.file.(*os.File)
	if unasked, ok := j.file.(*keptFile); ok {
		k.Unasked, k.Size, k.Limit, file = true, unasked.size, unasked.limit, unasked.f
	}
	raw, err := file.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { k.FD = int(fd) })
	}
	return k, err
}

// restoreJournal goes on with a kept one.
func restoreJournal(k *keptJournal) *journalFile {
	f := os.NewFile(uintptr(k.FD), k.Path)
	j := &journalFile{path: k.Path, file: f}
	if k.Unasked {
		file := &keptFile{path: k.Path, f: f, size: k.Size, limit: k.Limit}
		j.file, j.sink = file, output.NewSink(io.Writer(file))
		j.sink.Hurry(0)
	} else {
		j.sink = output.NewSink(f)
	}
	j.sink.Restore(k.Sink)
	if k.Begun {
		j.writer = journal.Continue(j.sink)
	}
	return j
}

// keep tells what there is of the control plane.
func (p *controlPlane) keep() keptControl {
	k := keptControl{Recorder: p.recorder, Began: p.began.UnixNano()}
	if p.socket != nil {
		s := p.socket.Keep()
		k.Socket = &s
	}
	if l, ok := p.listener.(syscall.Conn); ok {
		k.Listener = control.KeepListener(l)
	}
	return k
}

// restoreControl goes on with a kept one.
func (r *runner) restoreControl(k *keptControl) (*controlPlane, error) {
	p := &controlPlane{runner: r, recorder: k.Recorder, began: time.Unix(0, k.Began)}
	p.recorder.Rejoin()
	var err error
	if k.Socket != nil {
		if p.socket, err = control.RestoreSocket(*k.Socket); err != nil {
			return nil, err
		}
	}
	if k.Listener > 0 {
		var l net.Listener
		if l, err = control.RestoreListener(k.Listener); err != nil {
			return nil, err
		}
		p.listener = l
	}
	return p, nil
}

func (h *herald) keep() *keptHerald {
	if h == nil {
		return nil
	}
	return &keptHerald{Standing: h.standing, Ready: h.ready.Load(), Down: h.down, Status: h.status}
}

func (h *herald) restore(k *keptHerald) {
	if h != nil && k != nil {
		h.standing, h.down, h.status = k.Standing, k.Down, k.Status
		h.ready.Store(k.Ready)
	}
}
