package acceptance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is a user without any privilege.
var nobody = &syscall.Credential{Uid: 65534, Gid: 65534}

// needsRoot skips a test that starts lastout as another user.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		unable(t, "only root can start lastout as somebody else")
	}
}

// as is a town of that user.
func (o town) as(user *syscall.Credential) town {
	o.user = user
	return o
}

// Without any privilege the sentinel turns connections away, and nothing is lost.
func TestUnprivilegedNginx(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	needsRoot(t)
	t.Parallel()
	repeat(t, 5, func(t *testing.T) {
		s := web.as(nobody).open(t, byLastout)
		s.preconnect()
		s.clients.flow(200, 4*time.Millisecond, wish{}, 100, s.stop)
		s.judge()
		report := s.report()
		if how := report.of(t, "edge").Quiesce.How; !strings.HasPrefix(how, "sentinel on ") {
			t.Errorf("new connections were turned away by %q", how)
		}
		if report.Took > 5*time.Second {
			t.Errorf("took %v", report.Took)
		}
		s.judgeWords()
		if n := strings.Count(s.stderr.String(), "INF edge: "+unprivileged); n != 1 {
			t.Errorf("%d times and not once: edge: %s", n, unprivileged)
		}
	})
}

// unprivileged is what is foreseen there.
const unprivileged = "a drain here turns new connections away by sentinel, ends preconnects by shutdown, sees its connections\n"

// The same is said before anything is started.
func TestUnprivilegedCheck(t *testing.T) {
	needsRoot(t)
	file := filepath.Join(t.TempDir(), "lastout.toml")
	if err := os.WriteFile(file, []byte(shop), 0o644); err != nil {
		t.Fatal(err)
	}
	open(t, filepath.Dir(file))
	for user, want := range map[*syscall.Credential]string{
		nil: strings.Replace(unprivileged, "sentinel", "filter", 1), nobody: unprivileged,
	} {
		check := exec.Command(lastoutBin, "check", "-c", file)
		check.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		if out, err := check.CombinedOutput(); err != nil || !strings.Contains(string(out), "edge: "+want) {
			t.Errorf("%v: %s, want %s", err, out, want)
		}
	}
}

// The same for the router and the workers of uWSGI.
func TestUnprivilegedRouter(t *testing.T) {
	needs(t, "uwsgi")
	needsRoot(t)
	t.Parallel()
	repeat(t, 5, func(t *testing.T) {
		s := router.as(nobody).open(t, byLastout)
		s.clients.each(8, wish{})
		s.untilStarted(2)
		s.clients.wg.Go(func() { s.clients.late(20*time.Millisecond, wish{}) })
		s.stop()
		s.judge()
		s.judgeWords()
	})
}

// A gateway that runs as somebody else, by a set-user-ID bit, cannot be looked into by one who has no privilege. That is
// said; who is in hand is served by the program's own graceful stop, and nothing hangs.
func TestUnprivilegedForeigner(t *testing.T) {
	needs(t, "haproxy", "node")
	needsRoot(t)
	t.Parallel()
	repeat(t, 3, func(t *testing.T) {
		o := haproxy(`drain = { timeout = "2s" }`).as(nobody)
		o.conf = strings.Replace(o.conf, `["haproxy",`, `["`+foreign(t, "haproxy")+`",`, 1)
		s := o.open(t, byLastout)
		s.clients.each(6, wish{path: "/?ms=500"})
		s.untilStarted(6)
		s.stop()
		if n := len(s.clients.of(answered)); n != 6 || s.code != 0 {
			t.Errorf("exit %d: %v", s.code, s.clients)
		}
		report := s.report()
		if report.Took > 5*time.Second {
			t.Errorf("took %v", report.Took)
		}
		if how := report.of(t, "edge").Quiesce.How; how != "not possible here: its listeners cannot be seen" {
			t.Errorf("new connections were turned away by %q", how)
		}
		if !strings.Contains(s.stderr.String(), "cannot see the descriptors of process") {
			t.Error("it is not said that the gateway cannot be looked into")
		}
		s.judgeWords()
	})
}

// foreign is a copy of a program that runs as a user whom nobody else is.
func foreign(t *testing.T, name string) string {
	t.Helper()
	const other = 65533
	file := filepath.Join(t.TempDir(), name)
	program, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(program)
	if err == nil {
		err = os.WriteFile(file, text, 0o755)
	}
	if err == nil {
		err = os.Chown(file, other, other)
	}
	if err == nil {
		err = os.Chmod(file, 0o755|os.ModeSetuid)
	}
	if err != nil {
		t.Fatal(err)
	}
	open(t, filepath.Dir(file))
	return file
}

// judgeWords sees that no complaint is repeated.
func (s *site) judgeWords() {
	s.t.Helper()
	said := map[string]bool{}
	for line := range strings.Lines(s.stderr.String()) {
		_, text, complaint := strings.Cut(line, " WRN ")
		if complaint && said[text] {
			s.t.Errorf("said twice: %s", text)
		}
		said[text] = complaint
	}
}
