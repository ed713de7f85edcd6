// Package cgroup limits what the control groups of runs may use (cgroups(7), version 2), and reads what the kernel did
// about it.
//
// # Why lastout moves
//
// A group may have limits only where its controller is on in the cgroup.subtree_control of the one above, and no group
// but the root may have that and processes of its own. The group that we were started in is the one above all others:
//
//	HOME                    given to us; controllers are switched on here, and nobody may be in it
//	HOME/lastout-NAME-PID   ours (Domain.Root): a folder of groups, and nobody is ever in it
//	  .../lastout           our own leaf, made when a limit first needs it
//	  .../api.1.17          a run
//
// Who is in HOME beside us, and is not ours, makes that impossible: we move back, and say who it is.
//
// # What cannot be had
//
// Whatever is missing is found by trying, once for each controller, and is an error that says why. A run whose limit
// cannot be kept is started nonetheless: the caller says so.
package cgroup
