package acceptance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestUpgradeScale has more instances made by who did not read the configuration himself, as long as its file still says
// what runs.
func TestUpgradeScale(t *testing.T) {
	paths := theBuilds(t)
	x := launch(t, `
[control]
socket = "$DIR/c.sock"
[process.api]
command = ["$CHILD", "-record", "$DIR/api.{port}", "-ready", "3"]
ready = { fd = 3 }
port = 9000
profiles = ["day"]
[process.other]
command = ["$CHILD"]
`, "--profile", "day")
	x.untilReady(2)
	scale := func(n int) (string, error) {
		cmd := exec.Command(lastoutBin, "scale", "--socket", filepath.Join(x.dir, "c.sock"), "--wait", fmt.Sprintf("api=%d", n))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for i, n := range []int{3, 1, 4} {
		if out, err := x.upgrade("--binary", paths[i%2]); err != nil {
			t.Fatalf("upgrade %d: %v\n%s", i+1, err, out)
		}
		if out, err := scale(n); err != nil {
			t.Fatalf("api=%d: %v\n%s", n, err, out)
		}
		x.untilReady(1 + n)
	}
	if out, err := x.upgrade("--binary", paths[1]); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(x.dir, "lastout.toml")
	text, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, append(text, "stop = { timeout = \"3s\" }\n"...), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := scale(5); err == nil || !strings.Contains(out, "the configuration has changed") {
		t.Errorf("a file that nobody took: %v, %q", err, out)
	}
	reload := exec.Command(lastoutBin, "reload", "--socket", filepath.Join(x.dir, "c.sock"), "--wait")
	if out, err := reload.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := scale(5); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	x.untilReady(6)
	for n := range 5 {
		if lives := x.lives(fmt.Sprintf("api.%d", 9000+n)); len(lives) == 0 {
			t.Errorf("nobody has port %d", 9000+n)
		}
	}
	if code, _ := x.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit code %d", code)
	}
	x.verify()
}
