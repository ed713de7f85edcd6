package acceptance

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// console is a shell with control of its jobs on a terminal (pty(7)), and what it has shown so far.
type console struct {
	t     *testing.T
	dir   string
	cmd   *exec.Cmd
	keys  *os.File
	shown bytes.Buffer
}

// atConsole starts the shell, which knows a guarded tree of two as $TREE. It takes a second to leave.
func atConsole(t *testing.T) *console {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		unable(t, "no terminal: "+err.Error())
	}
	t.Cleanup(func() { keys.Close() })
	raw, err := keys.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	number := 0
	if err := raw.Control(func(fd uintptr) {
		_ = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0)
		number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
	}); err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	dir := t.TempDir()
	conf := guarded + `
[process.db]
command = ["$CHILD", "-record", "$DIR/db", "-ready", "3"]
ready.fd = 3
[process.api]
command = ["$CHILD", "-record", "$DIR/api", "-ready", "3", "-leave", "1s"]
ready.fd = 3
depends_on = ["db"]
`
	conf = strings.NewReplacer("$CHILD", childBin, "$DIR", dir).Replace(conf)
	if err := os.WriteFile(filepath.Join(dir, "lastout.toml"), []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	c := &console{t: t, dir: dir, keys: keys, cmd: exec.Command("bash", "--norc", "-i")}
	c.cmd.Dir = dir
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = screen, screen, screen
	c.cmd.Env = append(os.Environ(), "PS1=ready> ", "TREE="+lastoutBin+" run", "TEST_TOKEN="+dir, "TERM=dumb",
		"XDG_RUNTIME_DIR="+dir, "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if err := keys.SetReadDeadline(time.Now().Add(hangs)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.clear)
	c.shows("ready> ")
	return c
}

// clear fails the test if anybody is still there, and kills him.
func (c *console) clear() {
	x := &tree{t: c.t, dir: c.dir, cmd: c.cmd}
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	for _, pid := range x.survivors() {
		c.t.Errorf("pid %d survived", pid)
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

// press types text.
func (c *console) press(text string) {
	c.t.Helper()
	if _, err := c.keys.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// shows waits until a text is shown, and returns all before it.
func (c *console) shows(text string) string {
	c.t.Helper()
	for buf := make([]byte, 4096); ; {
		if at := bytes.Index(c.shown.Bytes(), []byte(text)); at >= 0 {
			return string(c.shown.Next(at + len(text)))
		}
		n, err := c.keys.Read(buf)
		c.shown.Write(buf[:n])
		if err != nil {
			c.t.Fatalf("%v, and it never showed %q, but %q", err, text, c.shown.String())
		}
	}
}

// code is the exit code of the last command.
func (c *console) code() int {
	c.t.Helper()
	c.press("echo \"code=$?;\"\n")
	c.shows("\ncode=")
	text := c.shows(";")
	n, err := strconv.Atoi(strings.TrimSuffix(text, ";"))
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// left demands that each of the two was told, and left, in order.
func (c *console) left() {
	c.t.Helper()
	db, api := readLives(c.t, filepath.Join(c.dir, "db")), readLives(c.t, filepath.Join(c.dir, "api"))
	if len(db) != 1 || len(api) != 1 || api[0].term == 0 || api[0].exit == 0 || db[0].term < api[0].exit || db[0].exit == 0 {
		c.t.Errorf("db: %+v, api: %+v", db, api)
	}
}

// TestGuardianKeys has the keys of a terminal reach the guardian and the master, which are of one job: a Ctrl-C is one, and
// takes the tree down in order; a second one is urgent; Ctrl-Z stops both, for the shell to see, and fg has both go on.
func TestGuardianKeys(t *testing.T) {
	t.Run("once", func(t *testing.T) {
		c := atConsole(t)
		c.press("$TREE\n")
		c.shows("api is ready")
		c.press("\x03")
		c.shows("shutting down (SIGINT)")
		if said := c.shows("ready> "); strings.Contains(said, "SIGINT again") {
			t.Errorf("one is taken for two:\n%s", said)
		}
		if code := c.code(); code != 0 {
			t.Errorf("exit %d", code)
		}
		c.left()
	})
	t.Run("twice", func(t *testing.T) {
		c := atConsole(t)
		c.press("$TREE\n")
		c.shows("api is ready")
		c.press("\x03")
		c.shows("api gets SIGTERM")
		<-time.After(300 * time.Millisecond) // sooner it is the same press
		c.press("\x03")
		c.shows("SIGINT again")
		c.shows("ready> ")
		if code := c.code(); code != 3 {
			t.Errorf("exit %d", code)
		}
	})
	t.Run("job", func(t *testing.T) {
		c := atConsole(t)
		c.press("$TREE\n")
		c.shows("api is ready")
		c.press("\x1a")
		c.shows("Stopped")
		c.shows("ready> ")
		c.press("echo a shell\n")
		c.shows("a shell")
		c.shows("a shell")
		c.shows("ready> ")
		c.press("bg\n")
		c.shows("ready> ")
		c.press("kill %1; wait %1\n")
		c.shows("shutting down (SIGTERM)")
		c.shows("ready> ")
		c.left()
	})
}

// TestGuardianHangup takes the terminal away: the tree stays, and the guardian's signals still end it in order.
func TestGuardianHangup(t *testing.T) {
	c := atConsole(t)
	c.press("$TREE & echo \"guardian=$!;\"\n")
	c.shows("\nguardian=")
	guardian, err := strconv.Atoi(strings.TrimSuffix(c.shows(";"), ";"))
	if err != nil {
		t.Fatal(err)
	}
	c.shows("api is ready")
	c.keys.Close()
	_ = c.cmd.Wait() // the shell has told its jobs, and gone
	if err := syscall.Kill(guardian, 0); err != nil {
		t.Fatalf("the guardian: %v", err)
	}
	if out, err := exec.Command(lastoutBin, "status", "--socket", filepath.Join(c.dir, "c.sock")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := syscall.Kill(guardian, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, guardian)
	c.left()
}
