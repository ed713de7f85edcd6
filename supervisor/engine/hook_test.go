package engine

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
)

// told is what a hook printed of its environment.
func (r *rig) told(name string) []string {
	lines := r.out.lines(name + " | LASTOUT_")
	slices.Sort(lines)
	return lines
}

// Every hook runs at its place, and hears what happens.
func TestHooksAreTold(t *testing.T) {
	r := newRig(t)
	env := r.shell("env | grep ^LASTOUT_")
	api := r.add("api", ordering.Worker, "exec sleep 1000")
	edge := r.add("edge", ordering.Gateway, "exec sleep 1000", "api")
	for _, kind := range []supervisor.HookKind{
		supervisor.PreStart, supervisor.PostStart, supervisor.PreStop, supervisor.PostStop,
	} {
		api.hook(kind, env, patient)
	}
	edge.hook(supervisor.PreDrain, env, patient)
	r.config.Before, r.config.After = &env, &env
	r.config.Options.Before, r.config.Options.After = patient/10, patient/10
	r.start()
	r.state("edge", supervisor.Ready)
	pid := r.state("api", supervisor.Running).PID
	edgePID := r.state("edge", supervisor.Running).PID
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	ours := "PROCESS=of the configuration"
	for name, want := range map[string][]string{
		"api pre_start":   {"HOOK=pre_start", ours},
		"api post_start":  {"HOOK=post_start", pidOf(pid), ours},
		"edge pre_drain":  {"HOOK=pre_drain", pidOf(edgePID), ours, "REASON=shutdown"},
		"api pre_stop":    {"HOOK=pre_stop", pidOf(pid), ours, "REASON=shutdown"},
		"api post_stop":   {"EXIT_CODE=143", "HOOK=post_stop", pidOf(pid), ours, "REASON=shutdown"},
		"before_shutdown": {"HOOK=before_shutdown", ours, "REASON=shutdown"},
		"after_shutdown":  {"HOOK=after_shutdown", ours, "REASON=shutdown"},
	} {
		if got := r.told(name); !slices.Equal(got, want) {
			t.Errorf("%s was told %q, want %q", name, got, want)
		}
	}
}

func pidOf(pid int) string { return "PID=" + strconv.Itoa(pid) }

// After a crash post_stop hears of it.
func TestPostStopHearsOfACrash(t *testing.T) {
	r := newRig(t)
	r.add("api", ordering.Worker, "kill -SEGV $$").hook(supervisor.PostStop, r.shell("env | grep ^LASTOUT_"), patient)
	r.start()
	r.wait()
	got := strings.Join(r.told("api post_stop"), " ")
	if !strings.Contains(got, "EXIT_CODE=139") || !strings.Contains(got, "REASON=crash") {
		t.Errorf("told %s", got)
	}
}

// A hook that takes too long is killed with its whole tree, and the walk goes on.
func TestLateHookIsKilled(t *testing.T) {
	bothWays(t, func(t *testing.T, r *rig) {
		r.add("api", ordering.Worker, "exec sleep 1000").
			hook(supervisor.PreStop, r.shell("setsid sleep 1000 & echo $! >$DIR/pid; trap '' TERM; wait; sleep 1000"), 200*time.Millisecond)
		r.start()
		r.state("api", supervisor.Ready)
		if out := r.stop(); out.Code != 0 {
			t.Errorf("outcome %+v", out)
		}
		if lives(r.pid("pid")) {
			t.Error("the hook's child is still there")
		}
		ended := r.find("end of the hook", func(rep supervisor.Report) bool {
			return rep.Kind == supervisor.KindHook && rep.Hook == supervisor.PreStop && rep.Step == 1
		})
		if !strings.HasPrefix(ended.Cause, "killed") {
			t.Errorf("the hook ended with %q", ended.Cause)
		}
	})
}

// A hook is over when its main process is; what it left running stays until the sweep at the end.
func TestLeftoversOfAHookAreSwept(t *testing.T) {
	r := newRig(t)
	r.add("api", ordering.Worker, "exec sleep 1000").
		hook(supervisor.PreStart, r.shell("sleep 1000 & echo $! >$DIR/pid"), patient)
	r.start()
	r.state("api", supervisor.Ready)
	pid := r.pid("pid")
	if !lives(pid) {
		t.Error("what the hook started is gone already")
	}
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	if lives(pid) {
		t.Error("what the hook started is still there")
	}
}

// A hook that fails says how; one that cannot start says why.
func TestFailingHooks(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"exit 3", "exit code 3"}, {"kill -KILL $$", "killed by SIGKILL"}, {"", "exec ./missing: no such file or directory"},
	} {
		t.Run(c.want, func(t *testing.T) {
			r := newRig(t)
			command := r.shell(c.script)
			if c.script == "" {
				command.Argv = []string{"./missing"}
			}
			r.add("api", ordering.Worker, "exec sleep 1000").hook(supervisor.PostStart, command, patient)
			r.start()
			r.state("api", supervisor.Ready)
			ended := r.find("end of the hook", func(rep supervisor.Report) bool {
				return rep.Kind == supervisor.KindHook && rep.Step == 1
			})
			if ended.Cause != c.want {
				t.Errorf("%q ended with %q, want %q", c.script, ended.Cause, c.want)
			}
			r.stop()
		})
	}
}

// A stop command takes the place of the signal, and knows whom to stop.
func TestStopCommand(t *testing.T) {
	r := newRig(t)
	api := r.add("api", ordering.Worker, "trap 'echo told by USR1; exit 0' USR1; echo up; while :; do sleep 1000 & wait $!; done")
	api.Spec.Stop = []supervisor.StopStep{
		{Signal: syscall.SIGWINCH, Timeout: 50 * time.Millisecond}, {Command: true, Timeout: patient},
	}
	api.Process.Instances[0].Stop = append(api.Process.Instances[0].Stop, r.shell("env | grep ^LASTOUT_; kill -USR1 $LASTOUT_PID"))
	r.config.Options.Timeout = 4 * patient
	r.start()
	r.out.await("api | up")
	pid := r.state("api", supervisor.Running).PID
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	r.out.await("api | told by USR1")
	if got := r.told("api stop"); !slices.Equal(got, []string{"HOOK=stop", pidOf(pid), "PROCESS=of the configuration"}) {
		t.Errorf("the stop command was told %q", got)
	}
}
