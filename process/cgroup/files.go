package cgroup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// files is how groups are read and written. Each is a folder, and its settings are files in it.
type files struct {
	Read  func(path string) ([]byte, error)
	Write func(path, text string) error
	Mkdir func(path string) error
	Rmdir func(path string) error
}

// kernel is the mounted hierarchy itself.
var kernel = files{
	Read: os.ReadFile,
	// A file is never made: one that is not there is a controller that is not on.
	Write: func(path, text string) error {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = f.WriteString(text)
		return errors.Join(err, f.Close())
	},
	Mkdir: func(path string) error { return os.Mkdir(path, 0o755) },
	Rmdir: unix.Rmdir,
}

// words reads a file that is a list of words; nothing where it cannot be read.
func (f files) words(path string) []string {
	text, _ := f.Read(path)
	return strings.Fields(string(text))
}

// has says whether there is such a group.
func (f files) has(dir string) bool {
	_, err := f.Read(filepath.Join(dir, "cgroup.procs"))
	return err == nil
}

// lists says whether a file lists a word.
func (f files) lists(path, word string) bool { return slices.Contains(f.words(path), word) }

// members are the processes in a group itself. One of another PID namespace is shown as 0.
func (f files) members(dir string) []int {
	var pids []int
	for _, word := range f.words(dir + "/cgroup.procs") {
		if pid, err := strconv.Atoi(word); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// reason is an error without the name of the file, for who names it himself.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
