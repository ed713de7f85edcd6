package rehearse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// Way is how the tree is taken down.
type Way string

// The ways. All but the last are done by this program's own hand, with lastout looking on.
const (
	Naive        Way = "naive"         // SIGTERM to every main process, to all at the same time
	AtOnce       Way = "at-once"       // the same, to each its own stop signal
	WorkersFirst Way = "workers-first" // first the workers; when they are gone the gateways; then the services
	Lastout      Way = "lastout"       // SIGTERM to lastout
)

// Ways lists them, from the simplest hand to none.
var Ways = []Way{Naive, AtOnce, WorkersFirst, Lastout}

// Says puts a way into words.
func (w Way) Says() string {
	switch w {
	case Naive:
		return "everybody at once"
	case AtOnce:
		return "everybody at once, by their own signals"
	case WorkersFirst:
		return "workers first"
	case Lastout:
	}
	return "lastout"
}

// handPatience is how long a naive hand waits before it kills, as container runtimes do.
const handPatience = 10 * time.Second

// takeDown takes the tree down and returns when lastout has ended. told is called without a name when
// it begins, and with the name of each instance that is told by hand.
func (t *tree) takeDown(ctx context.Context, way Way, told func(name string)) error {
	if way == Lastout {
		told("")
		if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("cannot signal lastout: %w", err)
		}
		return t.end(ctx)
	}
	// Told by SIGTERM, a lastout that runs --by-hand begins its shutdown and asks nobody to leave: it only stops to
	// restart, and reaps.
	if err := t.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("cannot signal lastout: %w", err)
	}
	err := t.await(ctx, patience, func() (bool, error) { return t.phase != supervisor.Up, nil })
	if err != nil {
		return fmt.Errorf("cannot take the tree down by hand: %w", err)
	}
	told("")
	for _, group := range t.groups(way) {
		if err := t.tell(ctx, group, told); err != nil {
			return err
		}
	}
	// The rest, if any, is killed in order.
	if err := t.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("cannot signal lastout: %w", err)
	}
	return t.end(ctx)
}

// groups are those who are told at the same time, one group after the other.
func (t *tree) groups(way Way) [][]Instance {
	if way != WorkersFirst {
		all := slices.Clone(t.Instances)
		for i := range all {
			if way == Naive {
				all[i].Signal = syscall.SIGTERM
			}
		}
		return [][]Instance{all}
	}
	groups := make([][]Instance, 3)
	for _, x := range t.Instances {
		at := 0
		switch x.Role {
		case ordering.Gateway:
			at = 1
		case ordering.Service:
			at = 2
		case ordering.Worker, ordering.Task:
		}
		groups[at] = append(groups[at], x)
	}
	return groups
}

// tell sends each of a group its signal, and waits for a bounded time until their main processes have ended.
func (t *tree) tell(ctx context.Context, group []Instance, told func(name string)) error {
	for _, x := range group {
		told(x.Name)
		if err := t.signal(x); err != nil {
			return fmt.Errorf("cannot signal %s: %w", x.Name, err)
		}
	}
	err := t.await(ctx, handPatience, func() (bool, error) {
		for _, x := range group {
			if t.lives(x) {
				return false, nil
			}
		}
		return true, nil
	})
	if errors.Is(err, errLong) {
		return nil
	}
	return err
}

// lives says that an instance's main process is there. It is called under the lock.
func (t *tree) lives(x Instance) bool {
	s := t.states[x.Name]
	return s != "" && s.Alive() && s != supervisor.Remains
}

// signal sends an instance its signal. The process is held by a descriptor (pidfd_open(2)) and looked at before, so
// that a number that was given to somebody else meanwhile does no harm: as a child of lastout it is the one meant.
func (t *tree) signal(x Instance) error {
	t.mu.Lock()
	lives, pid := t.lives(x), t.pids[x.Name]
	t.mu.Unlock()
	if !lives {
		return nil
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	defer p.Release()
	if parent(pid) != t.cmd.Process.Pid {
		return nil
	}
	if err := p.Signal(x.Signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// parent is a process's parent: the fourth field of its stat (proc_pid_stat(5)); 0 if there is no such process.
func parent(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	number, err := strconv.Atoi(string(fields[1]))
	if err != nil {
		return 0
	}
	return number
}

// end waits for lastout's end, which its own bound keeps.
func (t *tree) end(ctx context.Context) error {
	select {
	case <-t.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
