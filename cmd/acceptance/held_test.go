package acceptance

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// heldTown is one program that answers at a listener which lastout holds.
func heldTown(preset, command string, files ...string) town {
	return town{
		files: files, ready: 1, last: []worker{{"edge", syscall.SIGTERM}},
		conf: fmt.Sprintf(`
[shutdown]
timeout = "40s" # the program's own
[socket.web]
listen = "$ADDR"
[process.edge]
role = "gateway"
fronts = []
preset = %q
command = %s
env = { LEDGER = "$DIR/ledger" }
sockets = ["web"]
ready = { http = "http://$ADDR/", interval = "20ms" }
restart = "always"
backoff = { min = "1ms" }
`, preset, command),
	}
}

var (
	heldGunicorn = heldTown("gunicorn", `["gunicorn", "--workers", "2", "--threads", "64", "--chdir", "$DIR", "app:application"]`, "app.py")
	heldUWSGI    = heldTown("uwsgi", `["uwsgi", "--plugin", "python3", "--master", "--processes", "4", "--protocol", "http",
  "--hook-master-start", "unix_signal:15 gracefully_kill_them_all", "--die-on-term", "--wsgi-file", "$DIR/app.py"]`, "app.py")
	heldNode = heldTown("node", `["node", "$DIR/app.js"]`, "app.js")

	// heldNginx is nginx before gunicorn: nginx is told of its listener in its own way.
	heldNginx = func() town {
		o := web
		o.conf = strings.Replace(o.conf, `preset = "nginx"`, `preset = "nginx"
sockets = ["web"]
restart = "always"
backoff = { min = "1ms" }`, 1) + `
[socket.web]
listen = "$ADDR"
`
		return o
	}()

	// heldHAProxy names the descriptor in its own file.
	heldHAProxy = func() town {
		o := haproxy(`sockets = ["web"]`)
		o.files = []string{"app.js", "held.cfg"}
		o.conf = strings.NewReplacer("haproxy.cfg", "held.cfg", `ready = { tcp = "$ADDR", interval = "20ms" }`,
			`ready = { http = "http://$ADDR/", interval = "20ms" }`).Replace(o.conf) + `
[socket.web]
listen = "$ADDR"
`
		return o
	}()
)

// Requests at 100 a second across the stop of a program that was handed its listener.
func TestHeld(t *testing.T) {
	needs(t, "gunicorn", "uwsgi", "nginx", "haproxy", "node")
	t.Parallel()
	for name, o := range map[string]town{
		"gunicorn": heldGunicorn, "uwsgi": heldUWSGI, "node": heldNode, "nginx": heldNginx, "haproxy": heldHAProxy,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeat(t, 3, func(t *testing.T) { o.acrossStop(t, "filter") })
			repeat(t, 2, func(t *testing.T) {
				needsRoot(t)
				o.as(nobody).acrossStop(t, "sentinel")
			})
		})
		t.Run(name+" by hand", func(t *testing.T) {
			t.Parallel()
			s := o.open(t, atOnce)
			s.clients.flow(100, 10*time.Millisecond, wish{}, 50, s.stop)
			t.Logf("%v", s.clients)
			if len(s.clients.of(lost)) == 0 {
				t.Errorf("nothing was lost: %v", s.clients)
			}
		})
	}
}

func (o town) acrossStop(t *testing.T, way string) {
	s := o.open(t, byLastout)
	s.clients.flow(100, 10*time.Millisecond, wish{}, 50, s.stop)
	s.judge()
	if n := len(s.clients.of(answered)); n < 40 {
		t.Errorf("hardly anything was answered: %v", s.clients)
	}
	// On a machine that is busy the queue may not be empty in time.
	if how := s.report().of(t, "edge").Quiesce.How; !strings.HasPrefix(how, way+" on 1 listener") &&
		!strings.HasPrefix(how, "no answer within") {
		t.Errorf("new connections were turned away by %q", how)
	}
}

// A gateway is told to leave by somebody else, and is started again, in the middle of the requests: nobody is refused,
// and nobody's request is lost, for those who come meanwhile wait for the next one.
func TestHeldRestart(t *testing.T) {
	needs(t, "gunicorn", "uwsgi", "nginx")
	t.Parallel()
	for name, o := range map[string]town{"gunicorn": heldGunicorn, "uwsgi": heldUWSGI, "nginx": heldNginx} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repeat(t, 3, func(t *testing.T) {
				s := o.open(t, byLastout)
				sig := syscall.SIGTERM
				if name == "nginx" {
					sig = syscall.SIGQUIT
				}
				s.clients.flow(100, 10*time.Millisecond, wish{}, 30, func() { s.restart("edge", sig) })
				s.clients.wg.Wait()
				if n := len(s.clients.of(answered)); n != 100 {
					t.Errorf("%v", s.clients)
				}
				s.stop()
				s.judge()
			})
		})
	}
}

// When the main process of a gateway is killed nobody is refused: who comes waits for the next one.
func TestHeldKilled(t *testing.T) {
	needs(t, "gunicorn")
	t.Parallel()
	s := heldGunicorn.open(t, byLastout)
	s.clients.flow(100, 10*time.Millisecond, wish{}, 30, func() { s.restart("edge", syscall.SIGKILL) })
	if n := len(s.clients.of(refused)); n > 0 {
		t.Errorf("%v", s.clients)
	}
	if n := len(s.clients.of(answered)); n < 60 {
		t.Errorf("%v", s.clients)
	}
	s.stop()
}

// restart has an instance leave, or be gone, and waits until it is ready again.
func (s *site) restart(name string, sig syscall.Signal) {
	before := s.pid(name)
	if err := syscall.Kill(before, sig); err != nil {
		s.t.Error(err)
		return
	}
	s.until(name+" to be ready again", func(es []entry) bool {
		gone := slices.IndexFunc(es, func(e entry) bool { return e.Kind == "exit" && e.Instance == name })
		return gone >= 0 && slices.ContainsFunc(es[gone:], func(e entry) bool { return e.Instance == name && e.State == "ready" })
	})
}

// A service manager's socket is taken by its name, serves, and is as it was when lastout has left: somebody else may be
// handed it next. What nobody wants is closed, and said.
func TestHeldFromManager(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	odd, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := strings.ReplaceAll(`
[control]
socket = "off"
[socket.web]
listen = "127.0.0.1:1"
[process.edge]
role = "gateway"
fronts = []
command = ["$WEB", "worker"]
sockets = ["web"]
ready = { log = "listening on" }
`, "$WEB", webBin)
	file := filepath.Join(dir, "lastout.toml")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	manager := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$@"`, "sh", lastoutBin, "run", "-c", file)
	manager.Env = append(os.Environ(), "LISTEN_FDS=2", "LISTEN_FDNAMES=web:odd", "XDG_RUNTIME_DIR="+dir, "XDG_STATE_HOME="+dir)
	manager.Stderr = &log
	for _, listener := range []net.Listener{l, odd} {
		f, err := listener.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		manager.ExtraFiles = append(manager.ExtraFiles, f)
	}
	if err := manager.Start(); err != nil {
		t.Fatal(err)
	}
	ask := func() error {
		client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get("http://" + l.Addr().String() + "/")
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return err
	}
	if err := ask(); err != nil { // it waits for whoever serves
		t.Error(err)
	}
	if err := manager.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := manager.Wait(); err != nil {
		t.Errorf("%v\n%s", err, log.String())
	}
	conn, err := net.DialTimeout("tcp", l.Addr().String(), patience)
	if err != nil {
		t.Fatalf("nobody is let in any more: %v\n%s", err, log.String())
	}
	defer conn.Close()
	if _, err := l.Accept(); err != nil {
		t.Error(err)
	}
	for _, words := range []string{
		fmt.Sprintf(`holds %s (socket "web", the service manager's)`, l.Addr()),
		fmt.Sprintf("the service manager's socket %s (odd) is closed", odd.Addr()),
		"on 1 listener",
	} {
		if !strings.Contains(log.String(), words) {
			t.Errorf("it is not said: %s\n%s", words, log.String())
		}
	}
}
