package quiesce

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// TestForesee compares, for each way at each kind of listener, what is foreseen with what happens. To foresee it leaves
// the listener as it is.
func TestForesee(t *testing.T) {
	for _, s := range servers {
		for _, way := range Best {
			t.Run(s.String()+"/"+way.String(), func(t *testing.T) {
				t.Parallel()
				r := start(t, s)
				l := r.listener()
				foreseen, why := l.Foresee(Probe(), way)
				if l.Way() != None || l.sentinel != nil {
					t.Fatalf("it is %v already", l.Way())
				}
				r.tell("accept")
				r.served(r.dial()...)
				got, err := l.Quiesce(way)
				if foreseen != got || fmt.Sprint(why) != fmt.Sprint(err) {
					t.Errorf("foreseen is %v, %v\nit came to %v, %v", foreseen, why, got, err)
				}
			})
		}
	}
}

// A listener that is not there yet is taken for one of plain TCP.
func TestForeseeBeforeItListens(t *testing.T) {
	child := start(t, server{Addr: "127.0.0.1:0"})
	way, err := Probe().Foresee(MayDuplicate(child.pid))
	switch {
	case !mayDuplicate():
		if way != None || !errors.Is(err, ErrNoDuplicate) || !errors.Is(err, unix.EPERM) {
			t.Errorf("%v, %v", way, err)
		}
	case mayAdmin(t) && way != Filter, !mayAdmin(t) && way != Sentinel, err != nil:
		t.Errorf("%v, %v", way, err)
	}
	if way, err := Probe().Foresee(nil, Sentinel); way != Sentinel || err != nil {
		t.Errorf("%v, %v", way, err)
	}
}

// A listener whose address a stranger has too is told as it will be.
func TestForeseeShared(t *testing.T) {
	a := start(t, server{Addr: "127.0.0.1:0", Members: 1})
	second := server{Addr: a.addr.String(), Members: 1}
	start(t, second)
	l := a.listener()
	if way, err := l.Foresee(Probe(), Sentinel); way != None || !errors.Is(err, ErrShared) {
		t.Errorf("%v, %v", way, err)
	}
}

// BenchmarkProbe is what a start pays, beside its critical path.
func BenchmarkProbe(b *testing.B) {
	for b.Loop() {
		probe()
	}
}
