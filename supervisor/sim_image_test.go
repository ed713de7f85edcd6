package supervisor_test

import (
	"bytes"
	"math/rand/v2"
	"reflect"

	"lastout/supervisor"
	"lastout/supervisor/image"
)

// successors lets a machine that was written to an image and read again take the place of the one before, at moments
// that chance chooses. The one before goes on beside it: both must do the same, to the byte, until the next one comes.
type successors struct {
	chance *rand.Rand
	before *supervisor.Machine
}

// often is how many events there are between two successions, on average.
const often = 40

// stepBoth has both take the event.
func (w *world) stepBoth(ev supervisor.Event) []supervisor.Action {
	actions := w.machine.Step(w.kernel.now, ev)
	if before := w.successors.before; before != nil {
		w.compare(actions, before.Step(w.kernel.now, ev))
		now, nowTimed := w.machine.Deadline()
		was, wasTimed := before.Deadline()
		if now != was || nowTimed != wasTimed {
			w.witness.failf("image: the deadline is %v, %v, and without an image it is %v, %v", now, nowTimed, was, wasTimed)
		}
	}
	if w.successors.chance.IntN(often) == 0 {
		w.succeed()
	}
	return actions
}

func (w *world) compare(got, want []supervisor.Action) {
	for n := range max(len(got), len(want)) {
		switch {
		case n >= len(got):
			w.witness.failf("image: nothing, and without an image %T%+v", want[n], want[n])
		case n >= len(want):
			w.witness.failf("image: %T%+v, and without an image nothing", got[n], got[n])
		case !reflect.DeepEqual(got[n], want[n]):
			w.witness.failf("image: %T%+v, and without an image %T%+v", got[n], got[n], want[n], want[n])
		default:
			continue
		}
		return
	}
}

func (w *world) succeed() {
	data, err := image.Encode(1, w.machine)
	if err != nil {
		w.witness.failf("image: %v", err)
		return
	}
	next := new(supervisor.Machine)
	if err := image.Decode(1, data, next); err != nil {
		w.witness.failf("image: %v", err)
		return
	}
	if again, err := image.Encode(1, next); err != nil || !bytes.Equal(again, data) {
		w.witness.failf("image: that of what came back is another one (%v)", err)
	}
	w.successors.before, w.machine = w.machine, next
	w.witness.succeeded++
}
