package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// That a tree cannot be looked into is said once, however many of its processes that is true of as time goes by.
func TestUnseenIsSaidOnce(t *testing.T) {
	v := newView(nil)
	if err := v.open(); err != nil {
		t.Fatal(err)
	}
	defer v.close()
	v.diag.Proc = t.TempDir()
	for _, pid := range []string{"self", "10", "11"} {
		dir := filepath.Join(v.diag.Proc, pid)
		err := os.MkdirAll(filepath.Join(dir, "ns"), 0o755)
		if err == nil {
			err = os.Symlink("net:[1]", filepath.Join(dir, "ns/net"))
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "fd"), nil, 0o600) // no folder, so that nobody can look into it
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if said := v.find([]int{10}); len(said) != 1 {
		t.Errorf("at first: %q", said)
	}
	if said := v.find([]int{10, 11}); len(said) != 0 || v.light() != darkness {
		t.Errorf("again: %q", said)
	}
}
