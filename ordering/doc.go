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
// that still runs leaves before what it needs, and nobody waits for the end of a task that it needs itself. outlives
// replaces the order of one pair, whatever drew it. fronts says which workers a gateway stands before where that cannot
// be derived, and that they leave before it.
//
// With gateways, workers and tasks alone, the stop order has no cycle if the start order has none. A service that
// depends on a worker or gateway and stands below a gateway, directly or not, is refused: it would have to leave before
// that worker and stay until the gateway has left.
//
// # Workers and clients
//
// A gateway's workers are those that fronts names; else the workers and gateways it depends on; else the workers that
// depend on it. They serve until the gateway is drained. Its clients are the other workers, and the tasks, that depend
// on it: it turns work away only when they have left. One that outlives the gateway is neither waited for nor a client.
//
// # Steps
//
// A shutdown is a walk over steps, two for each process: Drain (work is turned away; empty for all but gateways) and
// Leave (the processes go). A gateway that has nothing to do for its drain (Node.NoDrain) is passed through as well and
// has no soft edges: nobody waits for what is not there. The edges between steps are
//
//	Drain(x) before Drain(y)   where x depends on y: work is turned away from the edge inward
//	Drain(g) before Leave(w)   for the workers w of gateway g: they serve until the gateway is drained
//	Drain(x) before Leave(x)
//	Leave(x) before Leave(y)   the stop order
//	Leave(c) before Drain(g)   for the clients c of g (soft)
//	Drain(g) before Leave(s)   for the services s of the same part, connected by depends_on and fronts (soft)
//
// No edge but the soft ones leads from a Leave to a Drain, so without them there is no circle. They are added one by
// one, those of clients first; one that would close a circle is dropped and listed by Graph.Dropped. A Walk counts, for
// each step, the steps before it that are not over; a node in the middle that has nothing running is passed through and
// never cuts an edge, so the closure of the order holds without being written out, and a whole shutdown costs O(edges).
//
// # Time
//
// A Budget shares the time of one shutdown out over these steps, so that who leaves slowly takes nothing of the reserve
// of those behind him:
//
//	need(x)     = min(settle + pre_stop + invite + steps + kill + post_stop, reserve), and 0 for one that is not alive
//	tail(x)     = max over the steps y directly behind x of need(y) + tail(y); a drain needs nothing
//	end         = timeout - min(after + linger, reserve, timeout/4)
//	span        = max over x of need(x) + tail(x)
//	announce    = min(max(before + delay, survey), end - span), and not below 0
//	scale       = min(1, (end - announce) / span)
//	leave_by(x) = end - scale*tail(x)
//	drain_by(g) = min(start + pre_drain + drain, end - scale*tail of its drain)
//	kill_at(x)  = min(told + steps, leave_by(x) - k - p)
//	lost_at(x)  = min(killed + kill, max(leave_by(x) - p, killed + k))
//
// where k = min(kill, scale*need(x)/4) is kept back for SIGKILL to take effect, and p = min(post_stop, scale*need(x)/4)
// for the post_stop hook, which ends by max(leave_by(x), gone + p). Whatever the processes do, each then has its scaled
// need from its turn on, each has left by its leave_by, and the last by the end.
package ordering
