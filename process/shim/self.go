package shim

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Executable is the path of the running program. Where there is no /proc to tell it, it is as it was called.
var Executable = sync.OnceValues(func() (string, error) {
	path, err := os.Executable()
	if err == nil {
		return path, nil
	}
	name := os.Args[0]
	if strings.Contains(name, "/") {
		if path, abs := filepath.Abs(name); abs == nil && executable(path) {
			return path, nil
		}
		return "", err
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if path := filepath.Join(dir, name); filepath.IsAbs(dir) && executable(path) {
			return path, nil
		}
	}
	return "", err
})

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Self is what a parent executes: its own binary, also where its file was replaced or removed meanwhile
// (proc_pid_exe(5)); where there is no /proc, by its name.
var Self = sync.OnceValue(func() string {
	const self = "/proc/self/exe"
	if _, err := os.Lstat(self); err != nil {
		if path, err := Executable(); err == nil {
			return path
		}
	}
	return self
})
