package guardian

import (
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestOrder has orders understood as they were written.
func TestOrder(t *testing.T) {
	for _, want := range []Order{
		{Take: []syscall.Signal{1, 15, 64}, Register: 5, Came: 6, Binary: "/bin/lastout"},
		{Take: []syscall.Signal{15}, Pending: []syscall.Signal{2, 2}, Register: 3, Came: 4, Binary: "/odd;name,=\n"},
	} {
		text, told := strings.CutPrefix(want.Variable(), stageVariable+"=")
		got, ok := parseOrder(text)
		if diff := cmp.Diff(want, got); !told || !ok || diff != "" {
			t.Errorf("%q: %v\n%s", text, ok, diff)
		}
	}
	for _, text := range []string{
		"", "1", ";;3;4;/x", "1,;;3;4;", "1,;;x;4;/x", "1,;;3;x;/x", "0,;;3;4;/x", "65,;;3;4;/x", "1,;TERM,;3;4;/x", "1,;;3;4", "1,;;3;/x",
	} {
		if o, ok := parseOrder(text); ok {
			t.Errorf("%q is taken as %+v", text, o)
		}
	}
}

// TestMaster does so for what a master is told.
func TestMaster(t *testing.T) {
	for _, want := range []Master{{FD: 7}, {FD: 7, First: true}} {
		text, told := strings.CutPrefix(want.Variable(), MasterVariable+"=")
		if got, ok := ParseMaster(text); !told || !ok || got != want {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "x", "2", "-7", ",1"} {
		if m, ok := ParseMaster(text); ok {
			t.Errorf("%q is taken as %+v", text, m)
		}
	}
}
