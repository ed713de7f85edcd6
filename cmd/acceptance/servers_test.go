package acceptance

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// needs skips a test where a program is missing; on CI, which installs it, that is a failure.
func needs(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("LASTOUT_CI") == "1" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}

// application answers after 150 ms and says which request it was.
const application = `
import time
def app(environ, start):
    time.sleep(0.15)
    start("200 OK", [("Content-Type", "text/plain")])
    return [("answer to " + environ["QUERY_STRING"]).encode()]
`

const nginxConf = `
daemon off; pid $DIR/nginx.pid; error_log $DIR/nginx.log; worker_processes 2;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path $DIR/t1; proxy_temp_path $DIR/t2; fastcgi_temp_path $DIR/t3;
  uwsgi_temp_path $DIR/t4; scgi_temp_path $DIR/t5;
  server { listen 127.0.0.1:$PORT; location / { proxy_pass http://unix:$DIR/app.sock; } }
}
`

// web is nginx before gunicorn. The edge between them and the gateway's keys are the test's.
const web = `
[shutdown]
timeout = "25s"
[process.app]
command = ["gunicorn", "--workers", "2", "--threads", "64", "--bind", "unix:$DIR/app.sock", "--chdir", "$DIR", "app:app"]
ready = { log = "Booting worker" }
stop = { timeout = "10s" }
$APP
[process.edge]
command = ["nginx", "-p", "$DIR", "-c", "$DIR/nginx.conf", "-e", "$DIR/nginx.log"]
ready = { tcp = "127.0.0.1:$PORT" }
$EDGE
`

// launchWeb starts nginx and gunicorn and returns the tree and its address.
func launchWeb(t *testing.T, app, edge string) (*tree, string) {
	t.Helper()
	port := freePort(t)
	dir := t.TempDir()
	fill := strings.NewReplacer("$APP", app, "$EDGE", edge, "$DIR", dir, "$PORT", fmt.Sprint(port)).Replace
	for name, text := range map[string]string{"app.py": application, "nginx.conf": fill(nginxConf)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// nginx gives its workers to another user, who must reach the application's socket.
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	x := launch(t, fill(web))
	x.untilReady(2)
	return x, fmt.Sprintf("127.0.0.1:%d", port)
}

// TestNginx stops nginx before gunicorn in the middle of 500 requests at 250 a second: in order nothing is lost. The
// controls show that the test can see: everybody at once, and the workers first with the door still open, lose.
func TestNginx(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	for name, c := range map[string]struct {
		app, edge string
		loses     bool
	}{
		"drained":           {edge: "role = \"gateway\"\ndepends_on = [\"app\"]\ndrain = { until = \"quiet\" }\nstop = { signal = \"QUIT\" }"},
		"drained by itself": {edge: "role = \"gateway\"\ndepends_on = [\"app\"]\npreset = \"nginx\""},
		"all at once":       {loses: true},
		"workers first":     {app: `depends_on = ["edge"]`, loses: true},
	} {
		t.Run(name, func(t *testing.T) {
			x, addr := launchWeb(t, c.app, c.edge)
			code := -1
			books := load(t, "http://"+addr+"/", 500, 4*time.Millisecond, func() { code, _ = x.stop(syscall.SIGTERM) })
			t.Log(books)
			if code != 0 {
				t.Errorf("exit %d", code)
			}
			if loses := len(books.lost) > 0; loses != c.loses {
				t.Errorf("%v", books)
			}
			if books.answered < 200 {
				t.Errorf("the load was hardly served: %v", books)
			}
		})
	}
}

// TestPreconnect has a connection that never sends a byte. It does not hold the stop of nginx.
func TestPreconnect(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	x, addr := launchWeb(t, "", "role = \"gateway\"\ndepends_on = [\"app\"]\npreset = \"nginx\"")
	silent, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if books := load(t, "http://"+addr+"/", 2, time.Millisecond, func() {}); books.answered != 2 {
		t.Fatal(books)
	}
	code, took := x.stop(syscall.SIGTERM)
	if code != 0 {
		t.Errorf("exit %d", code)
	}
	t.Logf("took %v", took)
	if took > 3*time.Second {
		t.Errorf("took %v: the silent connection was waited for", took)
	}
}
