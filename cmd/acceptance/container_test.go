package acceptance

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// repetitions is how often what must never be lost is tried: 20 times in a soak, else less.
func repetitions() int {
	if soak() {
		return 20
	}
	return 2
}

// shop is a gateway that knows nothing of lastout, and two workers.
const shop = `
[shutdown]
timeout = "20s"
[process.api]
command = ["web", "worker", "-listen", "127.0.0.1:{port}"]
port = 9001
instances = 2
ready = { tcp = "127.0.0.1:{port}" }
[process.edge]
role = "gateway"
command = ["web", "gateway", "-listen", "0.0.0.0:8080", "-to", "127.0.0.1:9001,127.0.0.1:9002"]
depends_on = ["api"]
ready = { tcp = "127.0.0.1:8080" }
drain = { timeout = "2s" }
`

// dockerRefuses is what Docker's profile refuses a container without CAP_SYS_PTRACE, and older ones on older kernels.
var dockerRefuses = []string{"pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace"}

// nginxSite is nginx before gunicorn, as people have them: nginx's workers are another user's.
var nginxSite = map[string]string{
	"lastout.toml": `
[shutdown]
timeout = "20s"
[process.app]
preset = "gunicorn"
command = ["gunicorn", "--workers", "2", "--threads", "64", "--bind", "unix:/tmp/app.sock", "--chdir", "/conf", "app:app"]
ready = { log = "Booting worker" }
[process.edge]
role = "gateway"
preset = "nginx"
command = ["nginx", "-c", "/conf/nginx.conf", "-e", "/tmp/nginx.log"]
depends_on = ["app"]
ready = { tcp = "127.0.0.1:8080" }
`,
	"app.py": `
import time
def app(environ, start):
    time.sleep(0.1)
    start("200 OK", [("Content-Type", "text/plain")])
    return [("answer to " + environ["QUERY_STRING"]).encode()]
`,
	"nginx.conf": `
daemon off; pid /tmp/nginx.pid; worker_processes 2; user www-data;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path /tmp/1; proxy_temp_path /tmp/2; fastcgi_temp_path /tmp/3;
  uwsgi_temp_path /tmp/4; scgi_temp_path /tmp/5;
  server { listen 8080; location / { proxy_pass http://unix:/tmp/app.sock; } }
}
`,
}

// lastoutRun is what a container runs.
var lastoutRun = []string{"/ours/lastout", "run", "-c", "/conf/lastout.toml"}

// TestContainer has a runtime stop a tree under load, as PID 1 of a container with the capabilities that are left there
// by default. Where new connections can be turned away nothing is lost. Where they cannot, that is said, once and before;
// the rest goes on within its bounds, and shows that the load sees what is lost.
func TestContainer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			r := newOCI(t, name)
			b := bundle{args: lastoutRun, files: map[string]string{"lastout.toml": shop}}
			t.Run("no profile", func(t *testing.T) { stopWhole(t, r, b) })
			t.Run("podman", func(t *testing.T) {
				b.seccomp = seccomp(t, dockerCaps)
				stopWhole(t, r, b)
			})
			t.Run("docker", func(t *testing.T) {
				b.seccomp = seccomp(t, dockerCaps, dockerRefuses...)
				stopDegraded(t, r, b)
			})
		})
	}
}

// TestContainerWithNginx is the same with programs of the field.
func TestContainerWithNginx(t *testing.T) {
	t.Parallel()
	needs(t, "nginx", "gunicorn")
	r := newOCI(t, "runc")
	b := bundle{args: lastoutRun, files: nginxSite, host: true, seccomp: seccomp(t, dockerCaps)}
	for i := range repetitions() {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			c, clients := stopUnderLoad(t, r, b, 150)
			c.wantWhole(clients)
			// The descriptors of nginx's workers cannot be had, for they are another user's.
			c.wantOnce("INF edge: a drain here turns new connections away by sentinel, sees its connections",
				"WRN edge: cannot end connections that never carried a byte: pidfd_getfd: operation not permitted",
				"WRN edge: cannot see the descriptors of process",
				"INF new connections to edge: sentinel on 1 listener")
		})
	}
}

// heldShop is the shop with a gateway whose listener is lastout's own.
var heldShop = strings.NewReplacer(
	`"-listen", "0.0.0.0:8080", `, "",
	`ready = { tcp = "127.0.0.1:8080" }`, `ready = { log = "listening on" }`+"\n"+`sockets = ["web"]`,
).Replace(shop) + `
[socket.web]
listen = "0.0.0.0:8080"
`

// heldSite is gunicorn by itself, which takes sockets that it is handed.
var heldSite = map[string]string{
	"lastout.toml": `
[shutdown]
timeout = "20s"
[socket.web]
listen = "0.0.0.0:8080"
[process.edge]
role = "gateway"
fronts = []
preset = "gunicorn"
sockets = ["web"]
command = ["gunicorn", "--workers", "2", "--threads", "64", "--chdir", "/conf", "app:app"]
ready = { log = "Booting worker" }
`,
	"app.py": nginxSite["app.py"],
}

// TestContainerHeld has a container that grants nothing, and a listener that is lastout's own: nothing is lost.
func TestContainerHeld(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"runc", "crun"} {
		t.Run(name, func(t *testing.T) {
			r := newOCI(t, name)
			b := bundle{args: lastoutRun, seccomp: seccomp(t, dockerCaps, dockerRefuses...)}
			t.Run("go", func(t *testing.T) {
				b.files = map[string]string{"lastout.toml": heldShop}
				stopHeld(t, r, b)
			})
			t.Run("gunicorn", func(t *testing.T) {
				needs(t, "gunicorn")
				b.files, b.host = heldSite, true
				stopHeld(t, r, b)
			})
		})
	}
}

func stopHeld(t *testing.T, r *oci, b bundle) {
	for i := range repetitions() {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			c, clients := stopUnderLoad(t, r, b, 150)
			c.wantWhole(clients)
			c.wantOnce("INF edge: a drain here turns new connections away by sentinel, sees its connections",
				"WRN edge: cannot end connections that never carried a byte: pidfd_getfd: .*; SOCK_DESTROY: operation not permitted",
				"INF new connections to edge: sentinel on 1 listener")
			if n := c.count(" WRN edge: "); n != 1 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// stopUnderLoad starts a container and has it stopped in the middle of a load, which goes on for so many requests.
func stopUnderLoad(t *testing.T, r *oci, b bundle, after int) (*container, *crowd) {
	t.Helper()
	b.net = newNet(t)
	c := r.run(t, b)
	c.await("edge: a drain here ")
	clients := &crowd{from: b.net, to: netip.MustParseAddrPort("127.0.0.1:8080")}
	code, took := -1, time.Duration(0)
	clients.press(150, after, func() { code, took = c.stop() })
	t.Logf("%v; it took %v", clients, took)
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	if clients.answered < 100 {
		t.Errorf("the load was hardly served: %v", clients)
	}
	if took > 10*time.Second { // half of shutdown.timeout: nothing of it was waited for in vain
		t.Errorf("it took %v", took)
	}
	return c, clients
}

// stopWhole holds, again and again, that nothing is lost and nothing is missing, and that what was done was foreseen.
func stopWhole(t *testing.T, r *oci, b bundle) {
	for i := range repetitions() {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			c, clients := stopUnderLoad(t, r, b, 150)
			c.wantWhole(clients)
			c.wantOnce("INF edge: a drain here turns new connections away by sentinel, ends preconnects by shutdown, "+
				"sees its connections", "INF new connections to edge: sentinel on 1 listener")
			if n := c.count(" WRN edge: "); n > 0 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// stopDegraded holds that what does not work was said once, before the shutdown, and that nothing else went wrong. The
// load goes on for longer than the drain may take, so it must lose.
func stopDegraded(t *testing.T, r *oci, b bundle) {
	c, clients := stopUnderLoad(t, r, b, 750)
	if len(clients.lost) == 0 {
		t.Errorf("nothing is seen to be lost: %v", clients)
	}
	c.wantOnce(
		`WRN edge: cannot turn new connections away from tcp \[::\]:8080: .*no duplicate of the socket: `+
			`pidfd_getfd: operation not permitted`,
		`WRN edge: cannot end connections that never carried a byte: pidfd_getfd: .*; SOCK_DESTROY: operation not permitted`,
		`INF edge: a drain here sees its connections`,
		`INF new connections to edge: not possible here on tcp \[::\]:8080`,
		`INF edge is drained: not drained within 2(\.\d+)?s`)
	before, _, _ := strings.Cut(c.said(), "shutting down")
	if warnings := strings.Count(before, " WRN edge: "); warnings != 2 {
		t.Errorf("%d warnings before the shutdown", warnings)
	}
}

// TestContainerExitCode has a child that does not leave killed: the runtime is told so.
func TestContainerExitCode(t *testing.T) {
	t.Parallel()
	r := newOCI(t, "runc")
	c := r.run(t, bundle{args: lastoutRun, seccomp: seccomp(t, dockerCaps, dockerRefuses...), files: map[string]string{
		"lastout.toml": `
[process.deaf]
command = ["child", "-ignore", "-ready", "3"]
ready = { fd = 3 }
stop = { timeout = "200ms" }
`,
	}})
	c.await("deaf is ready")
	if code, took := c.stop(); code != 3 || took > 5*time.Second {
		t.Errorf("exit code %d after %v", code, took)
	}
	c.wantOnce("WRN deaf gets SIGKILL")
}
