// Package engine acts: it holds the only loop. It hands what happens to the machine (package supervisor), performs what
// the machine decides through a System, and keeps the one timer there is, set to the machine's earliest deadline.
//
// Host is the System of the real kernel: it turns actions into calls of package process, probes for readiness, runs
// hooks, and turns what comes back into events. Tests use another System, in virtual time.
package engine
