package acceptance

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// rehearsal is what is read of the answer of lastout rehearse.
type rehearsal struct {
	Stop     string
	Seed     uint64
	Clean    bool
	Kept     string
	Requests struct {
		Sent, Answered, Refused, Lost, Failed, Retried int

		InHand int `json:"in_hand"`
		Why    map[string]int
	}
	Cycles []struct{ N, Code int }
}

// TestRehearsal has lastout rehearse the stop of nginx and gunicorn at random moments of a load: it loses nothing, and a
// naive hand does.
func TestRehearsal(t *testing.T) {
	needs(t, "nginx", "gunicorn")
	t.Parallel()
	cycles := 12
	if soak() {
		cycles = 200
	}
	if testing.Short() {
		cycles = 2
	}
	for stop, code := range map[string]int{"lastout": 0, "naive": 1} {
		t.Run(stop, func(t *testing.T) {
			t.Parallel()
			cycles := cycles
			if stop == "naive" {
				cycles = 2
			}
			r := rehearse(t, code, "--stop", stop, "--cycles", strconv.Itoa(cycles))
			if r.Clean != (code == 0) || (r.Requests.Lost > 0) != (code == 1) {
				t.Errorf("exit %d: %+v", code, r)
			}
			if len(r.Cycles) != cycles || r.Requests.InHand < cycles {
				t.Errorf("%d cycles, %d in hand", len(r.Cycles), r.Requests.InHand)
			}
			for _, c := range r.Cycles {
				if stop == "lastout" && c.Code != 0 {
					t.Errorf("cycle %d: exit %d", c.N, c.Code)
				}
			}
		})
	}
}

// rehearse runs it with a load of every kind.
func rehearse(t *testing.T, code int, args ...string) rehearsal {
	t.Helper()
	dir, where, conf := web.settle(t)
	file := filepath.Join(dir, "lastout.toml")
	conf = strings.ReplaceAll(conf, filepath.Join(dir, "ledger"), os.DevNull)
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	args = append([]string{
		"rehearse", "-c", file, "--url", "http://" + where[0] + "/?ms=50", "--rate", "150", "--keepalive", "0.5",
		"--slow", "0.05", "--preconnects", "3", "-o", "json",
	}, args...)
	cmd := exec.Command(lastoutBin, args...)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var r rehearsal
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v: %s\n%s", err, out, said.String())
	}
	t.Logf("%s: %+v", r.Stop, r.Requests)
	if r.Kept != "" {
		t.Cleanup(func() { keepOrRemove(t, r.Kept) })
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("exit %d, want %d\n%s", got, code, said.String())
	}
	return r
}

// keepOrRemove keeps the folder of a cycle that lost something, if that is to be looked into.
func keepOrRemove(t *testing.T, dir string) {
	if t.Failed() {
		t.Logf("kept in %s", dir)
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Error(err)
	}
}
