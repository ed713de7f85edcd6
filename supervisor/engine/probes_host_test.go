package engine

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// freeAddress is one that nobody listens on at the moment.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Each kind of probe on a real child: not ready while the child says that it waits, and ready soon after it went on.
func TestProbes(t *testing.T) {
	address := freeAddress(t)
	for _, c := range []struct {
		kind    string
		probe   config.Probe
		command func(r *rig, fifo string) config.Command
	}{
		{"tcp", config.Probe{TCP: address}, func(r *rig, fifo string) config.Command {
			return r.helper("tcp", address, fifo)
		}},
		{"http", config.Probe{HTTP: "http://" + address + "/"}, func(r *rig, fifo string) config.Command {
			return r.helper("http", address, fifo)
		}},
		{"notify", config.Probe{Notify: true}, func(r *rig, fifo string) config.Command {
			return r.helper("notify", fifo)
		}},
		{"exec", config.Probe{}, func(r *rig, _ string) config.Command {
			return r.shell("echo waits; read line <$DIR/go; touch $DIR/ready; exec sleep 1000")
		}},
		{"fd", config.Probe{FD: 5}, func(r *rig, _ string) config.Command {
			return r.shell("echo waits; read line <$DIR/go; echo ready >&5; exec 5>&-; exec sleep 1000")
		}},
		{"log", config.Probe{Log: regexp.MustCompile(`^listening on \d+`)}, func(r *rig, _ string) config.Command {
			return r.shell("echo waits, not listening on 1; read line <$DIR/go; echo listening on 80; exec sleep 1000")
		}},
		{"log on stderr alone", config.Probe{Log: regexp.MustCompile("ready")}, func(r *rig, _ string) config.Command {
			r.entry("api").Log.Stdout = config.LogNull
			return r.shell("echo waits >&2; read line <$DIR/go; echo ready >&2; exec sleep 1000")
		}},
	} {
		t.Run(c.kind, func(t *testing.T) {
			r := newRig(t)
			gate := r.fifo("go")
			api := r.add("api", ordering.Worker, "")
			if c.kind == "exec" {
				look := r.shell("test -e $DIR/ready")
				c.probe.Exec = &look
			}
			api.probed(c.probe).Process.Instances[0].Command = c.command(r, filepath.Join(r.dir, "go"))
			r.start()
			r.out.await("api | waits")
			r.state("api", supervisor.Running)
			if s, ok := r.host.Snapshot(); !ok || s.Instances[0].State != supervisor.Running {
				t.Errorf("state %q before it is ready", s.Instances[0].State)
			}
			gate.release()
			r.state("api", supervisor.Ready)
			if out := r.stop(); out.Code != 0 {
				t.Errorf("outcome %+v", out)
			}
		})
	}
}

// A stranger's message to the socket of another is no readiness: not one of another process of the tree, and not ours.
func TestNotifyRefusesStrangers(t *testing.T) {
	r := newRig(t)
	gate := r.fifo("go")
	api := r.add("api", ordering.Worker, "").probed(config.Probe{Notify: true})
	helper := r.helper("", filepath.Join(r.dir, "go2"))
	shell := r.shell("echo socket=$NOTIFY_SOCKET; read line <$DIR/go; " + helperVar + "=notify exec \"$0\" \"$1\"")
	shell.Argv = append(shell.Argv, helper.Argv...)
	api.Process.Instances[0].Command = shell
	gate2 := r.fifo("go2")
	r.start()
	r.out.await("socket=")
	socket := r.out.lines("api | socket=")[0]
	if err := sendReady(socket); err != nil {
		t.Fatal(err)
	}
	gate.release()
	r.out.await("api | waits") // it came on, through the exec: the message before was read long since
	r.state("api", supervisor.Running)
	if s, _ := r.host.Snapshot(); s.Instances[0].State != supervisor.Running {
		t.Errorf("state %q after a stranger's message", s.Instances[0].State)
	}
	gate2.release()
	r.state("api", supervisor.Ready)
	r.stop()
}

// A look that hangs is killed with its tree when the probe is stopped; nothing of it is left at the end.
func TestHungExecProbeIsKilled(t *testing.T) {
	r := newRig(t)
	look := r.shell("sleep 1000 & echo $! >$DIR/pid; echo >$DIR/looks; wait")
	r.fifo("looks")
	r.add("api", ordering.Worker, "read line <$DIR/looks; echo a look hangs; exec sleep 1000").
		probed(config.Probe{Exec: &look})
	r.start()
	r.out.await("a look hangs")
	if out := r.stop(); out.Code != 0 || len(out.Survived) > 0 {
		t.Errorf("outcome %+v", out)
	}
	if lives(r.pid("pid")) {
		t.Error("the child of a look is still there")
	}
}

// Who never becomes ready is stopped at its bound, its start has failed, and it is said what the probe saw last.
func TestReadinessThatNeverComes(t *testing.T) {
	missing, failing, hanging := []string{"./missing"}, []string{"/bin/false"}, []string{"/bin/sleep", "1000"}
	address := freeAddress(t)
	for _, c := range []struct {
		kind  string
		probe config.Probe
		exec  []string
		seen  string
	}{
		{"tcp", config.Probe{TCP: address}, nil, "dial tcp " + address + ": connect: connection refused"},
		{"fd", config.Probe{FD: 3}, nil, "no newline came on its readiness descriptor"},
		{"notify", config.Probe{Notify: true}, nil, "it did not send READY=1"},
		{"log", config.Probe{Log: regexp.MustCompile("never")}, nil, "no line of its output matched"},
		{"exec missing", config.Probe{}, missing, "exec ./missing: no such file or directory"},
		{"exec failing", config.Probe{}, failing, "exit code 1"},
		{"exec hanging", config.Probe{}, hanging, "no look has come to its end"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			r := newRig(t)
			if c.exec != nil {
				command := r.shell("")
				command.Argv = c.exec
				c.probe.Exec = &command
			}
			api := r.add("api", ordering.Worker, "exec sleep 1000").probed(c.probe)
			api.Spec.Ready.Timeout = 300 * time.Millisecond
			r.start()
			if out := r.wait(); out.Code != 1 {
				t.Errorf("outcome %+v, want code 1", out)
			}
			if cause := r.state("api", supervisor.Failed).Cause; !strings.Contains(cause, "not ready within 300ms") {
				t.Errorf("cause %q", cause)
			}
			r.find(c.seen, func(rep supervisor.Report) bool {
				return rep.Kind == supervisor.KindNote && rep.Cause == "api is not ready: "+c.seen
			})
		})
	}
}

// A run's descriptors are those it shall have: nothing of ours, and nothing of another child.
func TestNoDescriptorLeaks(t *testing.T) {
	r := newRig(t)
	r.add("first", ordering.Worker, "exec sleep 1000").probed(config.Probe{Notify: true}).Spec.Ready = supervisor.Readiness{}
	second := r.add("second", ordering.Worker, "for fd in `seq 0 99`; do test -e /proc/$$/fd/$fd && echo fd $fd; done; echo done; exec sleep 1000",
		"first").probed(config.Probe{FD: 4})
	second.Spec.Ready = supervisor.Readiness{}
	r.start()
	r.out.await("second | done")
	got := strings.Join(r.out.lines("second | fd "), " ")
	if got != "0 1 2 3 4" {
		t.Errorf("descriptors %s, want 0 to 2, 3 (nothing) and 4 (readiness)", got)
	}
	r.stop()
}
