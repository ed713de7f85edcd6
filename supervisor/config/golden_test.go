package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is found into the golden files")

const testdata = "../../testdata/config"

// TestGolden loads every file of testdata/config and compares all that is said of it with the golden file beside it.
// A line "# profiles: a, b" at the head of a file makes these profiles active.
func TestGolden(t *testing.T) {
	t.Chdir(testdata)
	files, err := filepath.Glob("*.toml")
	if err != nil || len(files) < 60 {
		t.Fatalf("found %d files: %v", len(files), err)
	}
	faulty := 0
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".toml"), func(t *testing.T) {
			said, bad := told(t, file)
			if bad {
				faulty++
			}
			golden := strings.TrimSuffix(file, ".toml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(said), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), said); diff != "" {
				t.Errorf("%s is told otherwise (-want +got):\n%s", file, diff)
			}
		})
	}
	if faulty < 45 {
		t.Errorf("only %d faulty files, want at least 45", faulty)
	}
}

// told is what Load says of a file: its faults, or its warnings.
func told(t *testing.T, file string) (said string, bad bool) {
	t.Helper()
	c, err := Load(file, LoadOptions{Env: []string{"PATH=/bin:/usr/bin", "HOME=/home/me"}, Profiles: profilesOf(t, file)})
	if err == nil {
		said = "no fault\n"
		for _, w := range c.Warnings {
			said += "warning: " + w.String() + "\n"
		}
		return said, false
	}
	var faults *Error
	if !errors.As(err, &faults) || c != nil || len(faults.Faults) == 0 {
		t.Fatalf("Load gives %v and %v", c, err)
	}
	return err.Error() + "\n", true
}

func profilesOf(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if list, ok := strings.CutPrefix(first, "# profiles: "); ok {
		return strings.Split(list, ", ")
	}
	return nil
}
