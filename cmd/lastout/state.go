package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"lastout/process/output"
	"lastout/supervisor/journal"
)

// The journals of the last runs of each tree are kept without being asked for, so that `lastout report` can tell of a
// shutdown after the fact. They take no more room than this: each run's is condensed when it has grown to keptSize.
const (
	keptRuns = 5
	keptSize = 4 << 20
)

// noState is the value of --state that keeps nothing.
const noState = "off"

func stateFlag() cli.Flag {
	return fileFlag("state", "keep the journals of the last runs below `DIR`, for lastout report; off: keep none")
}

// stateDir is where journals are kept: what the flag says, $XDG_STATE_HOME/lastout, /var/lib/lastout for root, and
// ~/.local/state/lastout for others (XDG Base Directory Specification 0.8).
func stateDir(flag string) (string, error) {
	switch home := os.Getenv("XDG_STATE_HOME"); {
	case flag != "":
		return flag, nil
	case filepath.IsAbs(home):
		return filepath.Join(home, "lastout"), nil
	case os.Geteuid() == 0:
		return "/var/lib/lastout", nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "lastout"), nil
}

// keptName is the name of a kept journal: when its run began, so that names are in the order of time, and the pid of
// lastout.
var keptName = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z-\d+\.jsonl$`)

// kept lists the kept journals of a tree, the newest last.
func kept(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if keptName.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

// keepJournal opens the journal for `lastout report`. Where there is no place for it, or a disk that does not answer,
// that is said, and nothing else suffers.
func (r *runner) keepJournal(flag string) {
	if flag == noState {
		return
	}
	var j *journalFile
	err := errors.New("the disk does not answer")
	opened := make(chan func(), 1)
	go func() {
		kept, failed := openKept(flag, r.config.Name, time.Now())
		opened <- func() { j, err = kept, failed }
	}()
	timer := time.NewTimer(diskPatience)
	defer timer.Stop()
	select {
	case take := <-opened:
		take()
	case <-timer.C:
	}
	if err != nil {
		r.log.info(fmt.Sprintf("lastout report will not know of this run: %v (--state off keeps nothing)", err))
		return
	}
	r.journals = append(r.journals, j)
}

func openKept(flag, name string, now time.Time) (*journalFile, error) {
	root, err := stateDir(flag)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := prune(dir); err != nil {
		return nil, err
	}
	stamp := now.UTC().Format("20060102T150405.000000Z")
	k := &keptFile{path: filepath.Join(dir, fmt.Sprintf("%s-%d.jsonl", stamp, os.Getpid())), limit: keptSize}
	if k.f, err = openLocked(k.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY); err != nil {
		return nil, err
	}
	sink := output.NewSink(k)
	sink.Hurry(0) // a disk that hangs holds nobody back for its sake
	return &journalFile{path: k.path, file: k, sink: sink}, nil
}

// prune makes room for one more. That of a run which still goes on stays, however old it is: it is locked.
func prune(dir string) error {
	old, err := kept(dir)
	if err != nil {
		return err
	}
	for _, name := range old[:max(0, len(old)-keptRuns+1)] {
		path := filepath.Join(dir, name)
		f, err := openLocked(path, os.O_WRONLY)
		if errors.Is(err, unix.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = errors.Join(os.Remove(path), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openLocked opens a file and locks it for as long as it is open (flock(2)); one that somebody else has is EWOULDBLOCK.
func openLocked(path string, mode int) (*os.File, error) {
	f, err := os.OpenFile(path, mode, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot lock %s: %w", path, err)
	}
	return f, nil
}

// keptFile is a kept journal on the disk. Only the writing goroutine of its sink touches it, and Close after that.
type keptFile struct {
	path  string
	f     *os.File
	size  int64
	limit int64
}

// Write appends lines, and has what the tree lived through before condensed when that has become much.
func (k *keptFile) Write(p []byte) (int, error) {
	n, err := k.f.Write(p)
	k.size += int64(n)
	if err == nil && k.size > k.limit && bytes.HasSuffix(p, []byte("\n")) {
		err = k.condense()
		k.limit = max(k.limit, 2*k.size) // not again for every line, where that made it no smaller
	}
	return n, err
}

// condense writes a shorter journal beside the old one, and puts it in its place when it is whole.
func (k *keptFile) condense() error {
	old, err := os.Open(k.path)
	if err != nil {
		return err
	}
	defer old.Close()
	f, err := openLocked(k.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY)
	if err != nil {
		return err
	}
	size := int64(0)
	if err = journal.Condense(f, old); err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = os.Rename(k.path+".new", k.path)
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(k.path+".new"))
	}
	k.f.Close()
	k.f, k.size = f, size
	return nil
}

// Close gives the file back.
func (k *keptFile) Close() error { return k.f.Close() }
