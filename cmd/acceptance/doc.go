// Package acceptance judges the built lastout from outside: trees of real processes, whose own clocks and records say
// whether the order was kept, whether anybody survived and how long it took. It imports nothing of lastout.
package acceptance
