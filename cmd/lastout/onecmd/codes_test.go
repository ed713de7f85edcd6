package onecmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lastout/process/signame"
)

// TestExitCodes has a command end with every code there is: it is passed on, unless -e makes it 0, and -e for all the
// others does not.
func TestExitCodes(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 51 // 0 and 255 among them
	}
	for _, name := range []string{"init", "tini"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for code := 0; code < 256; code += step {
				exit := []string{"--", "sh", "-c", fmt.Sprintf("exit %d", code)}
				one := append([]string{name, "-s", "-e", fmt.Sprint(code)}, exit...)
				if got, _, errs := (world{}).run(t, one...); got != 0 {
					t.Errorf("%d with -e %d: %d\n%s", code, code, got, errs)
				}
				others := []string{name, "-s"}
				for other := range 256 {
					if other != code {
						others = append(others, fmt.Sprintf("-e%d", other))
					}
				}
				if got, _, errs := (world{}).run(t, append(others, exit...)...); got != code {
					t.Errorf("%d with -e for all others: %d\n%s", code, got, errs)
				}
			}
		})
	}
}

// TestExitCodesOfDumbInit is the same for one that has no -e.
func TestExitCodesOfDumbInit(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--", "-c"} {
		for code := range 256 {
			if testing.Short() && code%51 != 0 {
				continue
			}
			if got, _, errs := (world{}).run(t, "dumb-init", flag, "sh", "-c", fmt.Sprintf("exit %d", code)); got != code {
				t.Errorf("%s %d: %d\n%s", flag, code, got, errs)
			}
		}
	}
}

// deadly are the signals that end a program which does nothing about them.
func deadly() (list []syscall.Signal) {
	for s := syscall.Signal(1); s <= signame.RTMax; s++ {
		switch s {
		case syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU: // these stop it
		case syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH: // these do nothing
		case syscall.SIGKILL: // nobody can pass that on
		default:
			list = append(list, s)
		}
	}
	return list
}

// TestDeathBySignal sends lastout, by each of its names, each of them: the command dies of it, and the code is 128 more.
func TestDeathBySignal(t *testing.T) {
	inBothWorlds(t, func(t *testing.T, w world) {
		for _, args := range [][]string{{"init"}, {"tini", "-s"}, {"dumb-init"}, {"dumb-init", "-c"}} {
			for _, s := range deadly() {
				l := w.start(t, append(args, "--", "sh", "-c", "echo ready; exec sleep 1000")...)
				l.says("ready")
				l.send(s)
				l.endsWith(128 + int(s))
			}
		}
	})
}

// TestKilledItself is a command that is killed by what nobody passed on.
func TestKilledItself(t *testing.T) {
	for _, name := range []string{"init", "tini", "dumb-init"} {
		if code, _, _ := (world{}).run(t, name, "sh", "-c", "kill -KILL $$"); code != 137 {
			t.Errorf("%s: %d", name, code)
		}
	}
	if code, _, _ := (world{}).run(t, "init", "-e", "143", "sh", "-c", "kill -TERM $$"); code != 0 {
		t.Errorf("143 counts as 0, and got %d", code)
	}
}

// TestCannotRun are commands that cannot be run, with the code that a shell gives for them, and why.
func TestCannotRun(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	plain := write("plain", "exit 3\n", 0o644)
	script := write("script", "exit $#\n", 0o755) // no "#!" line
	lost := write("lost", "#!/no/such/interpreter\n", 0o755)
	empty := []string{"PATH=" + dir + "/nowhere:" + dir}
	for _, c := range []struct {
		name  string
		args  []string
		env   []string
		code  int
		error string
	}{
		{"no file", []string{"init", "/no/such/file"}, nil, 127, "lastout init: /no/such/file: no such file or directory\n"},
		{"not in PATH", []string{"init", "no-such"}, empty, 127, "no such file or directory in PATH (" + dir},
		{"empty name", []string{"init", "--", ""}, nil, 127, "no such file"},
		{"a folder", []string{"init", "/etc"}, nil, 126, "/etc: permission denied\n"},
		{"not executable", []string{"init", plain}, nil, 126, "permission denied\n"},
		{"not executable, by PATH", []string{"init", "plain"}, empty, 126, "plain: permission denied\n"},
		{"no interpreter", []string{"init", lost}, nil, 127, "no such file or directory\n"},
		{"no #! line", []string{"init", script, "a", "b"}, nil, 2, ""},
		{"no #! line, by PATH", []string{"init", "script"}, append(empty, "X=1"), 0, ""},
		{"behind what may not", []string{"init", "sh", "-c", "exit 9"}, []string{"PATH=/etc:/bin"}, 9, ""},
		{"without PATH", []string{"init", "sh", "-c", "exit 9"}, []string{"X=1"}, 9, ""},
		{"a second --", []string{"init", "--", "--", "true"}, nil, 127, "lastout init: --: "},
		{"tini", []string{"tini", "-s", "--", "zzzz"}, nil, 127, "zzzz: no such file"},
		{"tini, a folder", []string{"tini", "-s", "/etc"}, nil, 126, "/etc: permission denied"},
		{"dumb-init", []string{"dumb-init", "--", "/doesnotexist"}, nil, 2, "[dumb-init] /doesnotexist: no such file"},
		{"dumb-init -c", []string{"dumb-init", "-c", "/doesnotexist"}, nil, 2, "[dumb-init] /doesnotexist: no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := (world{}).command(c.args...)
			cmd.Env = c.env
			var errs strings.Builder
			cmd.Stderr = &errs
			_ = cmd.Run()
			if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(errs.String(), c.error) {
				t.Errorf("%d, %q; want %d, %q", code, errs.String(), c.code, c.error)
			}
		})
	}
}
