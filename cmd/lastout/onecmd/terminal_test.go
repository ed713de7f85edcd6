package onecmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// screen is a terminal with a program on it, which leads the session, and what it has shown so far.
type screen struct {
	testing.TB
	*exec.Cmd
	keys  *os.File
	shown bytes.Buffer
}

// onTerminal starts a program on a terminal of its own (pty(7)).
func onTerminal(t testing.TB, args ...string) *screen {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		skip(t, "no terminal: "+err.Error())
	}
	raw, err := keys.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int32
	if err := raw.Control(func(fd uintptr) {
		var locked int32
		for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
			_, _, _ = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(unsafe.Pointer(arg)))
		}
	}); err != nil {
		t.Fatal(err)
	}
	other, err := os.OpenFile("/dev/pts/"+strconv.Itoa(int(number)), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	path := self()
	if !strings.HasPrefix(args[0], "lastout") && args[0] != "tini" && args[0] != "dumb-init" {
		if path, err = exec.LookPath(args[0]); err != nil {
			skip(t, err.Error())
		}
	}
	s := &screen{TB: t, keys: keys, Cmd: &exec.Cmd{
		Path: path, Args: args, Stdin: other, Stdout: other, Stderr: other,
		Env:         append(os.Environ(), "PS1=ready> ", "ENV=", "LASTOUT="+self(), "GORACE=atexit_sleep_ms=0"),
		SysProcAttr: &syscall.SysProcAttr{Setsid: true, Setctty: true},
	}}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	other.Close()
	if err := keys.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range append(descendants(s.Process.Pid), s.Process.Pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		keys.Close()
		if s.ProcessState == nil {
			_ = s.Wait()
		}
	})
	return s
}

// press types text.
func (s *screen) press(text string) {
	s.Helper()
	if _, err := s.keys.WriteString(text); err != nil {
		s.Fatal(err)
	}
}

// shows waits until a text is shown, and takes all before it, and it, off the screen.
func (s *screen) shows(text string) {
	s.Helper()
	buf := make([]byte, 4096)
	for {
		if at := bytes.Index(s.shown.Bytes(), []byte(text)); at >= 0 {
			s.shown.Next(at + len(text))
			return
		}
		n, err := s.keys.Read(buf)
		s.shown.Write(buf[:n])
		if err != nil {
			s.Fatalf("%v, and it never showed %q, but %q", err, text, s.shown.String())
		}
	}
}

// endsWith demands the exit code.
func (s *screen) endsWith(code int) {
	s.Helper()
	_ = s.Wait()
	if got := s.ProcessState.ExitCode(); got != code {
		s.Fatalf("exit code %d, want %d; it showed %q", got, code, s.shown.String())
	}
}

// dialects are the ways to be called, for a command on a terminal.
var dialects = [][]string{{"lastout", "init"}, {"lastout", "init", "--single-child"}, {"tini", "-s"}, {"dumb-init"}, {"dumb-init", "-c"}}

// TestTerminal reads from and writes to the terminal, to the end of what is typed.
func TestTerminal(t *testing.T) {
	for _, args := range dialects {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := onTerminal(t, append(args, "sh", "-c", "while read x; do echo =$x=; done; exit 6")...)
			s.press("one\n")
			s.shows("=one=")
			s.press("two\n\x04")
			s.shows("=two=")
			s.endsWith(6)
		})
	}
}

// TestTerminalShell gives a shell that is the command the control of its jobs.
func TestTerminalShell(t *testing.T) {
	for _, args := range dialects {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := onTerminal(t, append(args, "sh", "-i")...)
			s.shows("ready> ")
			s.press("echo flags=$-=\n")
			s.shows("\nflags=")
			s.shows("m")
			s.shows("=")
			s.press("exit 0\n")
			s.endsWith(0)
		})
	}
}

// TestTerminalKeys has Ctrl-C end the command.
func TestTerminalKeys(t *testing.T) {
	for _, args := range dialects {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			s := onTerminal(t, append(args, "sh", "-c", "echo there; exec sleep 1000")...)
			s.shows("there")
			s.press("\x03")
			s.endsWith(130)
		})
	}
}

// TestTerminalJob is a job of a shell: Ctrl-Z stops it, so that the shell goes on, and fg has it go on, with the
// terminal.
func TestTerminalJob(t *testing.T) {
	for _, flags := range []string{"", "--single-child"} {
		t.Run(flags, func(t *testing.T) {
			s := onTerminal(t, "bash", "--norc", "-i")
			s.shows("ready> ")
			s.press(job(flags + ` -- sh -c 'echo there:$$:; read x; echo =$x=; read y; exit 7'`))
			s.shows("there:")
			s.shows("there:") // the first was typed
			s.press("\x1a")
			s.shows("Stopped")
			s.shows("ready> ")
			s.press("echo a shell\n")
			s.shows("a shell")
			s.shows("a shell")
			s.press("fg\n")
			s.press("one\n")
			s.shows("=one=")
			s.press("two\n")
			s.shows("ready> ")
			s.press("exit $?\n")
			s.endsWith(7)
		})
	}
}

// job is the line that starts lastout in a shell.
func job(rest string) string { return fmt.Sprintf("(exec -a lastout $LASTOUT init %s)\n", rest) }

// TestTerminalBackground starts it in the background of a shell: the terminal stays the shell's, and who reaches for it
// stops, until it is put in the foreground.
func TestTerminalBackground(t *testing.T) {
	s := onTerminal(t, "bash", "--norc", "-i")
	s.shows("ready> ")
	s.press(strings.TrimSpace(job(` -- sh -c 'read x; echo =$x=; exit 7'`)) + " &\n")
	s.press("wait %1 2>/dev/null; jobs\n")
	s.shows("Stopped")
	s.press("echo still mine\n")
	s.shows("still mine")
	s.shows("still mine")
	s.press("fg\n")
	s.press("one\n")
	s.shows("=one=")
	s.shows("ready> ")
	s.press("exit $?\n")
	s.endsWith(7)
}

// TestTerminalGivenBack has a shell without control of its jobs, which began in the foreground, read after the command.
func TestTerminalGivenBack(t *testing.T) {
	s := onTerminal(t, "bash", "-c", strings.TrimSpace(job("-- true"))+"; echo over; read x; echo =$x=; exit 8")
	s.shows("over")
	s.press("one\n")
	s.shows("=one=")
	s.endsWith(8)
}

// TestTerminalFromAFile has the command read a file, and keys still reach it.
func TestTerminalFromAFile(t *testing.T) {
	s := onTerminal(t, "bash", "-c", strings.TrimSpace(job(`-- sh -c "echo there; read x </dev/tty; echo =\$x=; exec sleep 1000"`))+" </dev/null; exit $?")
	s.shows("there")
	s.press("one\n")
	s.shows("=one=")
	s.press("\x03")
	s.endsWith(130)
}
