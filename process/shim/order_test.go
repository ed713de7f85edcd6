package shim

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestOrderIsUnderstood reads every order as it was written.
func TestOrderIsUnderstood(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[^\x00]*`)
		want := &Order{
			Path: text.Draw(t, "path"), Around: &Circumstances{NoNewPrivs: rapid.Bool().Draw(t, "nnp")},
			Argv:   rapid.SliceOfN(text, 1, 3).Draw(t, "argv"),
			Env:    rapid.SliceOfN(text, 1, 3).Draw(t, "env"),
			OwnPID: rapid.SliceOfN(text, 1, 2).Draw(t, "own pid"),
		}
		around := want.Around
		if rapid.Bool().Draw(t, "user") {
			around.User = &User{
				UID: rapid.Uint32().Draw(t, "uid"), GID: rapid.Uint32().Draw(t, "gid"),
				Groups: rapid.SliceOfN(rapid.Uint32(), 1, 3).Draw(t, "groups"),
			}
			around.Umask = rapid.Ptr(rapid.Uint32(), false).Draw(t, "umask")
			around.Caps = &Caps{Keep: rapid.SliceOfN(rapid.IntRange(0, 40), 1, 3).Draw(t, "caps")}
		}
		if rapid.Bool().Draw(t, "numbers") {
			around.Nice = rapid.Ptr(rapid.IntRange(-20, 19), false).Draw(t, "nice")
			around.OOMScore = rapid.Ptr(rapid.IntRange(-1000, 1000), false).Draw(t, "oom")
			around.Limits = []Limit{{
				Resource: rapid.IntRange(0, 15).Draw(t, "resource"),
				Soft:     rapid.Uint64().Draw(t, "soft"), Hard: Unlimited,
			}}
		}
		want.DeathSignal = rapid.IntRange(0, 64).Draw(t, "death")
		got, ok := parse(want.String())
		if !ok {
			t.Fatalf("not understood: %q", want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// TestOrderOfAnotherVersion is refused, for half of an order is none.
func TestOrderOfAnotherVersion(t *testing.T) {
	for _, text := range []string{
		"path=/bin/true\x00later=1\x00", "path=/bin/true", "nice=low\x00", "nice=1.5\x00", "user=1:2\x00", "user=-1:2:\x00",
		"user=1:2:x\x00", "limit=7:1\x00", "umask=4294967296\x00", "no-new-privs=maybe\x00", "caps=1,\x00",
	} {
		if o, ok := parse(text); ok {
			t.Errorf("%q is taken as %+v", text, o)
		}
	}
}
