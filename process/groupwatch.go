package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// groupWatch calls back when the events of a cgroup change (inotify(7)).
type groupWatch struct {
	file *os.File
	done chan struct{}
}

// newGroupWatch returns nil where the kernel has none to spare: then only reaping tells.
func newGroupWatch(changed func()) *groupWatch {
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		return nil
	}
	w := &groupWatch{file: os.NewFile(uintptr(fd), "inotify"), done: make(chan struct{})}
	go func() {
		defer close(w.done)
		buf := make([]byte, 4096)
		for {
			if _, err := w.file.Read(buf); err != nil {
				return // closed
			}
			changed()
		}
	}()
	return w
}

// add watches a file until its cgroup is removed.
func (w *groupWatch) add(path string) {
	raw, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _ = unix.InotifyAddWatch(int(fd), path, unix.IN_MODIFY)
	})
}

func (w *groupWatch) close() {
	w.file.Close()
	<-w.done
}
