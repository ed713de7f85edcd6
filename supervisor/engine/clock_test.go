package engine

import (
	"testing"
	"time"
)

// A time told by the one clock and read back by the other is the same one, however often this goes to and fro.
func TestMoment(t *testing.T) {
	first := time.Now()
	at := first
	for range 1000 {
		at = At(monotonicOf(at))
	}
	if off := at.Sub(first).Abs(); off > 10*time.Millisecond {
		t.Errorf("off by %v", off)
	}
	now, before := Moment()
	later, after := Moment()
	if apart := later.Sub(now) - time.Duration(after-before); apart.Abs() > time.Millisecond {
		t.Errorf("the clocks are %v apart", apart)
	}
}
