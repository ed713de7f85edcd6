package acceptance

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestInitStartsLight holds that `lastout init` is over before the other verbs' packages are initialised, which would
// take several times as long as all that it does itself. Who makes cmd/lastout/onecmd import one package too many sees
// it here.
func TestInitStartsLight(t *testing.T) {
	cmd := exec.Command(lastoutBin, "init", "--", "true")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(line, "init "); ok {
			name, _, _ := strings.Cut(rest, " ")
			seen[name] = true
		}
	}
	if !seen["runtime"] || !seen["syscall"] {
		t.Fatalf("no trace of what was initialised:\n%s", out)
	}
	for _, heavy := range []string{
		"unicode", "reflect", "fmt", "regexp", "net", "net/http", "crypto/tls", "golang.org/x/sys/unix",
		"github.com/BurntSushi/toml", "github.com/urfave/cli/v2", "github.com/rs/zerolog", "main",
	} {
		if seen[heavy] {
			t.Errorf("package %s was initialised", heavy)
		}
	}
}
