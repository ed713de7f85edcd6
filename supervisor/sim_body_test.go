package supervisor_test

import (
	"math/rand/v2"
	"syscall"
	"time"

	"lastout/supervisor"
)

// body is what a run will be like.
type body struct {
	spawn     time.Duration // until the spawn is answered; never: it hangs
	fails     bool
	heeds     bool          // a cancel comes in time
	ready     time.Duration // after the probe began
	life      time.Duration // until it ends by itself
	exit      supervisor.Exit
	hears     []time.Duration // after a stop step, by its place among those that reached it
	heard     int
	dies      time.Duration // after SIGKILL
	lastWords supervisor.Exit
}

// member is a descendant of a run that stays behind when the leader goes.
type member struct {
	alive   bool
	leaves  time.Duration // by itself, after the leader
	hears   time.Duration // after a signal to the rest
	dies    time.Duration // after SIGKILL
	counted bool
}

func (p *plan) quick(id uint64) time.Duration {
	r := stream(p.seed, forBody, id, 7)
	return pick(r, 0, upTo(r, ms), upTo(r, 10*ms))
}

func (k *kernel) bodyStream(inst supervisor.Inst, part uint64) *rand.Rand {
	return stream(k.plan.seed, forBody, k.plan.orig[inst.Proc], uint64(inst.N), k.lives[inst], part)
}

// drawBody decides what a run will be like. Most are well behaved, so that worlds come up at all.
func (k *kernel) drawBody(inst supervisor.Inst) body {
	r := k.bodyStream(inst, 0)
	c := k.plan.cut
	b := body{
		spawn: pick(r, 0, upTo(r, ms), upTo(r, 10*ms)), ready: upTo(r, pick(r, 50*ms, 500*ms, 3*s)), life: never,
		heeds: chance(r, 60), dies: upTo(r, 2*ms), hears: []time.Duration{upTo(r, 10*ms)},
		lastWords: pick(r, supervisor.Exit{}, supervisor.Exit{Signal: syscall.SIGTERM}, supervisor.Exit{Code: 3}),
	}
	if fate := r.IntN(100); !c.has(cutSpawnFaults) {
		switch {
		case fate < 6:
			b.fails = true
		case fate < 7:
			b.spawn = never
		case fate < 12:
			b.spawn = upTo(r, pick(r, 500*ms, 20*s))
		}
	}
	if chance(r, 5) && !c.has(cutReadyFaults) {
		b.ready = never
	}
	b.exit = pick(r, supervisor.Exit{}, supervisor.Exit{Code: 1}, supervisor.Exit{Signal: syscall.SIGSEGV, Core: true})
	if life := upTo(r, pick(r, 20*ms, s, 10*s, 60*s)); chance(r, 30) && !c.has(cutCrashes) {
		b.life = life
	}
	if k.plan.specs[inst.Proc].Ready.Kind == supervisor.ReadyExit && chance(r, 85) {
		b.life = upTo(r, pick(r, 100*ms, 5*s))
		b.exit = pick(r, supervisor.Exit{}, supervisor.Exit{}, supervisor.Exit{}, b.exit)
	}
	if deaf := chance(r, 15); deaf && !c.has(cutDeaf) {
		b.hears = pick(r, nil, []time.Duration{upTo(r, s)}, []time.Duration{upTo(r, 10*s)},
			[]time.Duration{never, upTo(r, s)})
	}
	if late := chance(r, 2); late && !c.has(cutUnkillable) {
		b.dies = pick(r, never, upTo(r, s), upTo(r, 10*s))
	}
	return b
}

func (k *kernel) drawMember(r *rand.Rand) *member {
	m := &member{leaves: never, hears: upTo(r, pick(r, 10*ms, 3*s)), dies: upTo(r, 2*ms)}
	if chance(r, 60) {
		m.leaves = upTo(r, pick(r, ms, 100*ms, 3*s))
	}
	if chance(r, 30) {
		m.hears = never
	}
	if late := chance(r, 3); late && !k.plan.cut.has(cutUnkillable) {
		m.dies = pick(r, never, upTo(r, s), upTo(r, 10*s))
	}
	return m
}

// drawStrays makes those who are still there when a shutdown closes.
func (k *kernel) drawStrays() {
	r := stream(k.plan.seed, forSweep)
	if k.plan.cut.has(cutStrays) {
		return
	}
	k.mute = chance(r, 1)
	for range pick(r, 0, 0, 0, 0, 0, 1, 2) {
		k.strays = append(k.strays, &stray{
			hears: pick(r, 0, upTo(r, 100*ms), upTo(r, 5*s), never),
			dies:  pick(r, 0, 0, 0, 0, upTo(r, 10*ms), upTo(r, 10*ms), upTo(r, 5*s), never),
		})
	}
}
