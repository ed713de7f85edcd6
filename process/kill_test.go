package process

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestKill kills trees that ignore everything, have left their main process, or fork on and on, and demands that they
// are empty.
func TestKill(t *testing.T) {
	// Each hop writes, so that the relay ends when nobody reads any more, whatever becomes of the test.
	relay := `export RELAY='echo hop >&3 && ( exec sh -c "$RELAY" & )'
		sh -c "$RELAY"; sh -c "$RELAY"; sh -c "$RELAY"; echo up >&3; `
	for name, script := range map[string]string{
		"alone":         `trap "" TERM; echo up >&3; while :; do read x <&4; done`,
		"with children": `(trap "" TERM; (echo up >&3; read x <&4) & wait) & (setsid sh -c "read x <&4") & wait`,
		"left alone":    `(trap "" TERM; (echo up >&3; read x <&4) & wait) & exit 0`,
		"frozen":        `(echo up >&3; kill -STOP 0) & wait`,
		"relay":         relay + `wait; read x <&4`,
		"relay alone":   relay + `exit 0`,
	} {
		t.Run(name, func(t *testing.T) {
			inBothModes(t, func(r *rig) {
				from, say := r.pipe()
				hold, _ := r.pipe()
				run := r.start(sh(script, say, hold))
				say.Close()
				for range strings.Count(script, "hop")*100 + 1 {
					r.line(from) // it is well under way
				}
				read := make(chan error, 1)
				go func() {
					_, err := io.Copy(io.Discard, from)
					read <- err
				}()
				r.Kill(run)
				r.empty(run)
				if m := r.Members(run); len(m) != 0 {
					r.Errorf("members %v", m)
				}
				r.Kill(run) // nobody
				select {
				case err := <-read:
					if err != nil {
						r.Error(err)
					}
				case <-time.After(bound):
					r.Error("somebody still holds the pipe")
				}
			})
		})
	}
}

// TestKillBeforeStarted kills a run while it is being started.
func TestKillBeforeStarted(t *testing.T) {
	inBothModes(t, func(r *rig) {
		hold, _ := r.pipe()
		s := sh("(read x <&3) & read x <&3", hold)
		s.Run, s.Name = runNumber.Add(1), "killed"
		x, err := r.Reaper.begin(s)
		if err != nil {
			r.Fatal(err)
		}
		r.Kill(s.Run)
		c, err := r.fork(s, "/bin/sh", x)
		if err != nil {
			r.Fatal(err)
		}
		r.register(x, c)
		r.deliver()
		if e := r.exited(s.Run); e.Status.Signal() != syscall.SIGKILL {
			r.Errorf("got %+v, want killed", e)
		}
		r.empty(s.Run)
	})
}

// TestUnkillable has a setuid program that has become root for good: an unprivileged supervisor may not kill it. That
// must not keep it from anything else, and shall be seen.
func TestUnkillable(t *testing.T) {
	setuid := filepath.Join(filepath.Dir(self()), "setuid.test")
	if os.Getuid() == 0 {
		t.Skip("root may kill everybody; the unprivileged world has this test")
	}
	r := newRig(t, false)
	from, say := r.pipe()
	hold, release := r.pipe()
	run := r.start(Spec{Argv: []string{setuid, "-helper", "root"}, Files: toFiles(nil, nil, os.Stderr, say, hold)})
	pid := atoi(t, r.line(from))
	if err := r.Signal(run, syscall.SIGTERM, Leader); err == nil {
		t.Error("a signal that was not allowed is no error")
	}
	r.Kill(run)
	for range 20 {
		r.empty(r.start(sh("exit 0")))
	}
	r.notEmptyYet(run)
	if m := r.Members(run); len(m) != 1 || m[0].PID != pid {
		t.Errorf("members %v, want %d", m, pid)
	}
	r.Forget(run)
	r.Sweep(syscall.SIGKILL, true)
	if s := await(r, func(Swept) bool { return true }); len(s.Left) != 1 || s.Left[0].PID != pid || s.Left[0].Run != run {
		t.Errorf("left %v, want %d", s.Left, pid)
	}
	release.Close()
	await(r, func(s Swept) bool { return len(s.Left) == 0 })
}
