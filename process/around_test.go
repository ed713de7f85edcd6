package process

import (
	"os"
	"strings"
	"testing"

	"lastout/process/shim"
)

// circumstances is what a shell finds around it, told on one line per subject.
const circumstances = `{ echo user $(id -u) $(id -g) $(id -G); echo umask $(umask); echo files $(ulimit -Sn) $(ulimit -Hn)
	echo core $(ulimit -Hc); echo nice $(nice); echo oom $(cat /proc/self/oom_score_adj)
	grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs):' /proc/self/status; echo end; } >&3`

// find starts a shell in circumstances and returns what it finds.
func (r *rig) find(around *shim.Circumstances) map[string]string {
	r.Helper()
	from, say := r.pipe()
	run := r.start(Spec{
		Argv: []string{"/bin/sh", "-c", circumstances}, Dir: "/", Env: []string{"PATH=/bin:/usr/bin"},
		Files: toFiles(nil, nil, os.Stderr, say), Around: around,
	})
	found := map[string]string{}
	for line := r.line(from); line != "end"; line = r.line(from) {
		subject, value, _ := strings.Cut(line, " ")
		if subject == line {
			subject, value, _ = strings.Cut(line, "\t")
		}
		found[strings.TrimSuffix(subject, ":")] = value
	}
	r.empty(run)
	return found
}

func to[T any](v T) *T { return &v }

// TestCircumstances has a program that finds what was ordered, whoever we are: nothing of it needs a privilege.
func TestCircumstances(t *testing.T) {
	inBothModes(t, func(r *rig) {
		plain := r.find(nil)
		found := r.find(&shim.Circumstances{
			User:  &shim.User{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())},
			Umask: to(uint32(0o027)), Nice: to(7), OOMScore: to(500), NoNewPrivs: true,
			Limits: []shim.Limit{{Resource: resource(t, "nofile"), Soft: 100, Hard: 200}, {Resource: resource(t, "core")}},
		})
		for subject, want := range map[string]string{
			"umask": "0027", "files": "100 200", "core": "0", "nice": "7", "oom": "500", "NoNewPrivs": "1",
		} {
			if found[subject] != want {
				t.Errorf("%s is %q, want %q (unasked: %q)", subject, found[subject], want, plain[subject])
			}
		}
		if found["CapBnd"] != plain["CapBnd"] || !strings.HasPrefix(found["user"], strings.Join(strings.Fields(plain["user"])[:2], " ")) {
			t.Errorf("not asked for, and otherwise: %v, unasked %v", found, plain)
		}
	})
}

// TestUser has a program that runs as somebody else, with the capabilities it is left and no other, and a pipe that it
// can open anew.
func TestUser(t *testing.T) {
	needRoot(t, "become somebody else")
	const nobody = 65534
	user := &shim.User{UID: nobody, GID: 12345, Groups: []uint32{12345, 777}}
	bind, _ := shim.Capability("NET_BIND_SERVICE")
	inBothModes(t, func(r *rig) {
		found := r.find(&shim.Circumstances{User: user})
		if got := found["user"]; got != "65534 12345 12345 777" {
			t.Errorf("it runs as %s", got)
		}
		if found["CapEff"] != "0000000000000000" || found["CapPrm"] != "0000000000000000" {
			t.Errorf("it keeps capabilities: %v", found)
		}
		found = r.find(&shim.Circumstances{User: user, Caps: &shim.Caps{Keep: []int{bind}}})
		for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
			if found[set] != "0000000000000400" {
				t.Errorf("%s is %s, want CAP_NET_BIND_SERVICE alone", set, found[set])
			}
		}
		found = r.find(&shim.Circumstances{Caps: &shim.Caps{}})
		if found["CapBnd"] != "0000000000000000" || found["CapEff"] != "0000000000000000" {
			t.Errorf("root without capabilities has some: %v", found)
		}
		from, say := r.pipe()
		run := r.start(Spec{
			Argv: []string{"/bin/sh", "-c", "echo opened >/dev/stdout"}, Dir: "/", Env: []string{"PATH=/bin"},
			Files: toFiles(nil, say, os.Stderr), Around: &shim.Circumstances{User: user},
		})
		if got := r.line(from); got != "opened" {
			t.Errorf("it wrote %q", got)
		}
		r.empty(run)
	})
}

// TestCircumstancesRefused names the step that failed, and leaves nobody behind.
func TestCircumstancesRefused(t *testing.T) {
	inBothModes(t, func(r *rig) {
		nofile := resource(t, "nofile")
		for want, around := range map[string]*shim.Circumstances{
			"exec /bin/true: cannot set its limit nofile: invalid argument": {
				Limits: []shim.Limit{{Resource: nofile, Soft: 2, Hard: 1}},
			},
			"exec /bin/true: cannot set its oom_score_adj: invalid argument": {OOMScore: to(2000)},
		} {
			_, err := r.begin(Spec{Argv: []string{"/bin/true"}, Dir: "/", Around: around})
			if err == nil || err.Error() != want {
				t.Errorf("got %v, want %s", err, want)
			}
		}
		if pid := endedChild(); pid != 0 {
			t.Errorf("pid %d is left", pid)
		}
	})
}

func resource(t *testing.T, name string) int {
	t.Helper()
	n, ok := shim.Resource(name)
	if !ok {
		t.Fatalf("no limit %q", name)
	}
	return n
}

// needRoot skips what only root can do; in the world of nobody that is meant.
func needRoot(t *testing.T, what string) {
	t.Helper()
	why := "only root can " + what
	switch {
	case os.Getuid() == 0:
	case os.Getenv(worldVar) != "":
		t.Skip(why)
	default:
		skip(t, why)
	}
}
