package acceptance

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// rolled is nginx at a held listener, before two instances of gunicorn that share one. A worker of gunicorn that is told to
// leave before it has come up does not hear it, and its master waits for it; so each has one, and is ready when that is.
var rolled = func() town {
	o := heldNginx
	o.ready = 3
	o.conf = strings.NewReplacer(
		`"--bind", "unix:$DIR/app.sock", `, "",
		"[process.app]", "[control]\nsocket = \"$DIR/c.sock\"\n[socket.app]\nlisten = \"unix:$DIR/app.sock\"\nmode = \"0666\"\n[process.app]\ninstances = 2\npreset = \"gunicorn\"\nsockets = [\"app\"]",
		`"--workers", "2"`, `"--workers", "1"`,
	).Replace(o.conf)
	return o
}()

// TestRolling restarts gunicorn, instance by instance, behind nginx, and nginx itself, in the middle of the requests:
// nobody is refused, and nothing is lost.
func TestRolling(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	for _, args := range []string{"restart --rolling app", "restart app.2", "restart edge", "restart --rolling app edge"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			repeat(t, 3, func(t *testing.T) {
				s := rolled.open(t, byLastout)
				over := make(chan struct{})
				s.clients.flow(200, 10*time.Millisecond, wish{}, 30, func() {
					defer close(over)
					s.operate(strings.Fields(args)...)
				})
				<-over
				s.clients.wg.Wait()
				if n := len(s.clients.of(answered)); n != 200 {
					t.Errorf("%v", s.clients)
				}
				s.stop()
				s.judge()
			})
		})
	}
}

// Where gunicorn opens its own listener something is lost, or TestRolling cannot see; and it is said before.
func TestRollingBare(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	o := web
	o.conf = "[control]\nsocket = \"$DIR/c.sock\"\n" + o.conf
	s := o.open(t, byLastout)
	said := ""
	s.clients.flow(200, 10*time.Millisecond, wish{}, 30, func() { said, _ = s.verb("restart", "--rolling", "app") })
	s.clients.wg.Wait()
	t.Logf("%v", s.clients)
	if len(s.clients.of(lost)) == 0 || !strings.Contains(said, "can be lost") {
		t.Errorf("%v; lastout says\n%s", s.clients, said)
	}
	s.stop()
}

// operate has the verb done that the command line says, with nothing that could be lost.
func (s *site) operate(args ...string) {
	out, err := s.verb(args...)
	if err != nil || strings.Contains(out, "can be lost") || strings.Contains(out, "refuses connections") {
		s.t.Errorf("lastout %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// verb runs a command line, and waits until what it asks for is over.
func (s *site) verb(args ...string) (string, error) {
	args = append(args, "--wait", "--socket", filepath.Join(s.dir, "c.sock"))
	out, err := exec.Command(lastoutBin, args...).CombinedOutput()
	return string(out), err
}
