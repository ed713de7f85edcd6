// Package ordering is the dependency graph of a tree of processes: who starts after whom, who leaves before whom, and
// how long that may take. It is pure: no goroutine, no clock, no system call.
//
// # Two orders
//
// depends_on draws the edges. For starting, a process waits until all that it depends on are ready. For stopping, each
// edge is reversed, dependents first, but for one rule: an edge that a gateway draws to a worker or to another gateway
// is turned round, so that a gateway outlives the workers it is connected to, however the edge between them is drawn.
//
//	declared                       start            stop (leaves first -> leaves last)
//	api  -> db    (service)        db, api          api -> db
//	edge -> api   (gateway)        api, edge        api -> edge        turned round
//	api  -> edge                   edge, api        api -> edge
//	edge -> inner (both gateways)  inner, edge      inner -> edge      nearer to the client leaves later
//
// Before that, tasks are contracted: a task that has finished has no process, so a > task > b counts as a > b. A task
// that still runs leaves before what it needs. outlives replaces the order of one pair. fronts says which workers a
// gateway stands before where that cannot be derived.
//
// # Steps
//
// A shutdown is a walk over steps, two for each process: Drain (work is turned away; empty for all but gateways) and
// Leave (the processes go). The edges between steps are
//
//	Drain(x) before Drain(y)   where x depends on y: work is turned away from the edge inward
//	Drain(g) before Leave(w)   for the workers w of gateway g: they serve until the gateway is drained
//	Drain(x) before Leave(x)
//	Leave(x) before Leave(y)   the stop order
//	Leave(c) before Drain(g)   for the clients c of g: other workers and running tasks that depend on it (soft)
//	Drain(g) before Leave(s)   for the services s of the same connected part (soft)
//
// A soft edge that would close a circle is dropped and listed by Graph.Dropped. A Walk counts, for each step, the steps
// before it that are not over; a node in the middle that has nothing running is passed through and never cuts an edge,
// so the closure of the order holds without being written out, and a whole shutdown costs O(edges).
package ordering
