// Package acceptance judges the built lastout from outside: trees of real processes, whose own clocks and records say
// whether the order was kept, whether anybody survived and how long it took. It imports nothing of lastout.
//
// Servers of the field, as they are, are stopped under load. Their clients stamp what they do, the workers write down what
// they began and finished, and both are held against the journal: see site.judge. Each scene is played by naive hands,
// too, and must lose something then. Under LASTOUT_SOAK=1 (make soak) each is played 20 times, else fewer.
package acceptance
