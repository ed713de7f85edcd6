package acceptance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// asOriginals are command lines that the real programs are given, too: what becomes of them must be the same.
// Those of tini are read as with POSIXLY_CORRECT, for glibc would look for flags behind the command's name.
var asOriginals = map[string][][]string{
	"tini": {
		{},
		{"-s"},
		{"-s", "--"},
		{"-z", "true"},
		{"--help"},
		{"-e"},
		{"--version", "-s", "true"},
		{"-s", "--version"},
		{"true"},
		{"-s", "true"},
		{"--", "true"},
		{"--", "-s", "true"},
		{"-s", "--", "--", "true"},
		{"-s", "echo", "-n", "-g", "x"},
		{"-s", "sh", "-c", "exit 3"},
		{"-s", "--", "sh", "-c", "exit 3"},
		{"-sg", "--", "sh", "-c", "exit 255"},
		{"-s", "-e", "3", "sh", "-c", "exit 3"},
		{"-se3", "sh", "-c", "exit 3"},
		{"-se3", "-e4", "sh", "-c", "exit 4"},
		{"-se3", "sh", "-c", "exit 4"},
		{"-se0", "sh", "-c", "exit 0"},
		{"-se143", "sh", "-c", "kill -TERM $$"},
		{"-e", "-1", "true"},
		{"-e", "256", "true"},
		{"-e", "abc", "true"},
		{"-e", "12abc", "true"},
		{"-s", "-p", "SIGKILL", "true"},
		{"-s", "-p", "SIGTERM", "true"},
		{"-s", "-p", "KILL", "true"},
		{"-s", "-p", "9", "true"},
		{"-s", "-p", "SIGBANANA", "true"},
		{"-s", "-p"},
		{"-sw", "true"},
		{"-s", "/no/such/file"},
		{"-s", "no-such-command"},
		{"-s", "/etc"},
		{"-s", "sh", "-c", "kill -KILL $$"},
		{"-s", "sh", "-c", "echo $0 $*", "a", "-b", "--", "c"},
	},
	"dumb-init": {
		{},
		{"--"},
		{"--yolo"},
		{"-x", "true"},
		{"-c"},
		{"-r"},
		{"--rewrite"},
		{"--single-child=1", "true"},
		{"true"},
		{"--", "true"},
		{"--", "--", "true"},
		{"echo", "--help", "-n"},
		{"-cv", "true"},
		{"-V"},
		{"--version"},
		{"-h"},
		{"--help"},
		{"sh", "-c", "exit 5"},
		{"-c", "sh", "-c", "exit 5"},
		{"--single-child", "--", "sh", "-c", "exit 255"},
		{"--sing", "sh", "-c", "exit 5"},
		{"--ver", "true"},
		{"--verb", "true"},
		{"-r", "15:9", "true"},
		{"-r15:3", "true"},
		{"--rewrite=15:3", "true"},
		{"--rewrite", "15:0", "true"},
		{"-cr31:31", "true"},
		{"-r", "15", "true"},
		{"-r", "15:", "true"},
		{"-r", ":15", "true"},
		{"-r", "15::3", "true"},
		{"-r", "15:-1", "true"},
		{"-r", "0:15", "true"},
		{"-r", "32:15", "true"},
		{"-r", "15:32", "true"},
		{"-r", "TERM:INT", "true"},
		{"-r", "0xf:3", "true"},
		{"-r", "herp:derp", "true"},
		{"/no/such/file"},
		{"no-such-command"},
		{"/etc"},
		{"-c", "/no/such/file"},
		{"sh", "-c", "kill -TERM $$"},
		{"-c", "sh", "-c", "kill -KILL $$"},
		{"sh", "-c", "echo $0 $*", "a", "-b", "--", "c"},
	},
}

// TestInitAsTheOriginals gives both the same command lines: the exit code is the same, and what the command prints.
func TestInitAsTheOriginals(t *testing.T) {
	for name, lines := range asOriginals {
		t.Run(name, func(t *testing.T) {
			needs(t, name)
			link := filepath.Join(t.TempDir(), name)
			if err := os.Symlink(lastoutBin, link); err != nil {
				t.Fatal(err)
			}
			for _, args := range lines {
				want, got := becomes(t, name, args), becomes(t, link, args)
				if want != got {
					t.Errorf("%s %q: %s, and the original: %s", name, args, got, want)
				}
			}
		})
	}
}

// TestInitInheritsAsTini has the command begin with what lastout was given, like tini's: ignored signals, which Go's
// runtime takes away, and the soft limit of open files, which Go raises.
func TestInitInheritsAsTini(t *testing.T) {
	needs(t, "tini")
	const given = `trap '' 1 2 3 8 10 12 13 14 15 29 31; ulimit -S -n 77; exec "$@"`
	look := []string{"cat", "/proc/self/status", "/proc/self/limits"}
	of := func(program ...string) []string {
		args := append([]string{"-c", given, "sh"}, program...)
		return regexp.MustCompile(`(?m)^(SigBlk|SigIgn|Max open files).*`).FindAllString(becomes(t, "sh", append(args, look...)), -1)
	}
	want, got := of("tini", "-s", "--"), of(lastoutBin, "init", "--")
	if len(want) != 3 || !slices.Equal(want, got) {
		t.Errorf("%q, and tini's command has %q", got, want)
	}
}

// becomes is what becomes of a call, in a line.
func becomes(t *testing.T, program string, args []string) string {
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "POSIXLY_CORRECT=1")
	out, _ := cmd.Output() // its exit code is looked at
	text := string(out)
	if strings.HasPrefix(text, "tini version ") {
		text = "its version"
	}
	return cmd.ProcessState.String() + " " + text
}

// TestInitNames calls lastout by each name that tini goes by.
func TestInitNames(t *testing.T) {
	for _, name := range []string{"tini", "tini-static", "docker-init"} {
		link := filepath.Join(t.TempDir(), name)
		if err := os.Symlink(lastoutBin, link); err != nil {
			t.Fatal(err)
		}
		for want, args := range map[string][]string{
			"exit status 3 said\n": {"-sg", "--", "sh", "-c", "echo said; exit 3"}, "exit status 0 its version": {"--version"},
		} {
			if got := becomes(t, link, args); got != want {
				t.Errorf("%s %q: %s", name, args, got)
			}
		}
	}
}
