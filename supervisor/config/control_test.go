package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The control plane's settings, each with what they depend on.
func TestControl(t *testing.T) {
	c, faults := loadText(t, `
control = { socket = "run/${HOME}.sock", listen = "localhost:0", allow_users = ["root", "7:read", "8"] }
[process.p]
command = ["./p"]
`)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	want := Control{
		Socket: filepath.Join(filepath.Dir(c.File), "run/home/me.sock"), Listen: "localhost:0",
		Users: []ControlUser{{Name: "root"}, {Name: "7", UID: 7, Reads: true}, {Name: "8", UID: 8}},
	}
	if diff := cmp.Diff(want, c.Control); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(c.Warnings) > 0 && strings.Contains(c.Warnings[0].Text, "control") {
		t.Errorf("warned of %v", c.Warnings)
	}
}

// Who looks for a running tree finds its socket, whatever else is wrong with the file.
func TestLocate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "My Shop")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "lastout.toml")
	for text, want := range map[string]Location{
		"":                                   {Name: "my-shop"},
		"name = 'x'\n[process.y]\nfrobs = 7": {Name: "x"},
		"control.socket = 'off'":             {Name: "my-shop", Socket: NoSocket},
		"control.socket = '${RUN}/s'":        {Name: "my-shop", Socket: "/run/me/s"},
		"control.socket = 's'":               {Name: "my-shop", Socket: filepath.Join(dir, "s")},
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Locate(file, []string{"RUN=/run/me"}); err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{"control.socket = '${NONE}/s'": "${NONE} is not set", "name = ": "lastout check says more"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Locate(file, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := Locate(filepath.Join(dir, "none"), nil); err == nil || !strings.HasSuffix(err.Error(), "no such file or directory") {
		t.Errorf("no file: %v", err)
	}
}
