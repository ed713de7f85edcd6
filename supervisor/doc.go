// Package supervisor decides. It is the pure machine of the whole tree: events in, actions out; no goroutine, no clock,
// no system call. Package engine acts on what it decides; package process is the kernel's side.
//
// # The caller's duties
//
// One caller owns a Machine. It calls Step with a time that never runs backwards; performs the actions in their order,
// each of which cannot fail (failure comes back as an event); and calls Step with Tick when Deadline has come. The
// machine answers equal inputs with equal outputs, byte for byte.
//
// Between two steps a Machine is plain data: package image writes it and reads it back, for another build of the program
// to go on with. Whatever a field holds must be of the kinds that image keeps.
//
// # The life of an instance
//
// Each life has a Run number of its own, never used twice; events of an older run are ignored. A run's events come in
// the order Spawned, BecameReady, Exited, Gone.
//
//	state        alive  what happens                                       leaves it
//	off          no     not wanted: disabled, or not begun                 Begin, Adopt
//	waiting      no     something it needs is not ready                    needs ready, stop, shutdown
//	pre_start    no     the pre_start hook runs                            hook ended, bound
//	starting     yes    Spawn was asked for; counts as alive               Spawned, SpawnFailed
//	running      yes    runs, and is not ready yet                         BecameReady, ready bound, Exited
//	post_start   yes    ready; the post_start hook runs                    hook ended, bound, Exited
//	ready        yes    runs and is ready                                  Exited, shutdown
//	draining     yes    work in hand is finished, as said below            drained, bound, Exited
//	drained      yes    a drained gateway waits for its turn to leave, or  its turn, undrain, Exited
//	                    was drained by a user
//	remains     yes    not its turn to leave, but its main process has     its turn, Gone
//	                   gone and others of its tree live, or it was
//	                   being stopped before: it is told nothing
//	settling     yes    its turn; a gateway pushes its last bytes out      Settled, bound, Exited
//	pre_stop     yes    its turn; the pre_stop hook runs                   hook ended, bound, Exited
//	stopping     yes    a stop step was taken; its bound runs              Gone, bound (next step, or killing)
//	killing      yes    SIGKILL went to the whole tree; its bound runs     Gone, bound (lost)
//	post_stop    no     gone; the post_stop hook runs                      hook ended, bound
//	backoff      no     will be started again when its time comes          bound, shutdown
//	done         no     ended by itself, well, for good
//	failed       no     ended by itself, not well, for good; or cannot start
//	stopped      no     asked to leave, and left
//	lost         no*    outlived SIGKILL's bound: said aloud, counted as gone
//
// "Left" means off, done, failed, stopped, lost, and during a shutdown nothing else: a step of the stop order is over
// when all instances of its process have left.
//
// # The tree of another
//
// A supervisor that is killed leaves its tree behind. Adopt, in the place of Begin, tells a new machine which runs there
// are: they enter ready and the others stay off, and the shutdown begins in the same step, with its normal order, hooks and
// bounds. Nothing is started, and the exit code tells of the supervisor's end. How a run ended that was nobody's child to
// wait for is not known (Exit.Unknown): that is neither well nor a failure.
//
// # The drain
//
// A gateway drains before its workers leave, in a step of the shutdown of its own: its pre_drain hook, then new
// connections are turned away (Quiesce), the program itself is invited to finish (by Signal or DrainCommand), and it is
// watched until it is drained (Watch). Each part is passed over where it is not configured, and drain.timeout bounds
// them together, from the quiesce on. An invitation is no stop step; but who was invited was asked to leave, so that its
// exit is no failure, and ends its drain. When its workers are gone and its turn to leave has come it settles, before its
// pre_stop hook.
//
// The drain of others is a part of their own leaving, between the pre_stop hook and the stop steps: their pre_drain hook,
// then they are invited and watched.
// They are never quiesced, for a gateway may still send them requests.
//
//	part        answer                      its bound
//	pre_drain   HookEnded                   that of the hook
//	quiesce     Quiesced                    1.25 s, drain.timeout
//	invite      HookEnded; a signal: none   that of the drain command, drain.timeout
//	watch       BecameDrained               drain.timeout
//	settle      Settled                     drain.settle
//
// A Watch or Settle ends with its answer or with StopWatch, and so does a drain whose time is over before its watch.
// Where Exited ends the drain, or impatience does, nothing else is taken back: what was quiesced stays so until the run
// is gone. Answers that come late are ignored.
//
// # Who listens
//
// A gateway for which nobody configured a drain is drained only if it listens when the shutdown begins: that is looked
// up (Survey) beside the announcement, and awaited for a quarter of a second at most. The drain of one that listens
// nowhere, as far as can be seen, is left out, with the waits that it would bring.
//
// # Operations
//
// While the tree is up, users stop, start, restart, scale and drain parts of it (Operate). What becomes of an operation
// is said by reports: it is refused at once, with the reason, or accepted; after that comes, once, that it is done or has
// failed. What it wants of each instance is a part: to leave, to come in, to be ready, to be drained.
//
// There is one departure at a time. Whoever is to leave, by whatever operation, joins it, and all that have not left yet
// begin anew in one order: so the stop order holds between operations too, and a shutdown is the departure that all join.
// Who was half way hears nothing more before its turn has come again, and still holds the others back. A drain of a
// gateway that is to stay is a step of the same order.
//
//	verb     who                                   what happens
//	stop     named, and their dependents           they leave; a gateway stays when one of its workers stops
//	start    named, and all they need              they start, each when what it needs is ready
//	restart  named                                 they leave; when all have, they start
//	rolling  instance by instance, in stop order   the same, the next when the one before is ready
//	scale    one process                           more start; those that are too many leave, the highest number first
//	drain    gateways                              drained, and stay so; undrain lets new connections in again, unless the
//	                                               program itself was asked to finish
//	signal   named                                 the main process gets a signal; it is no stop step
//	reload   what differs in a new configuration   who is gone, or changed in what a run is started with, leaves by the old
//	                                               graph; then the new one is in force; then who changed comes back, and
//	                                               who is new starts
//
// IDs are dense, and stable from one reload to the next: the new graph may number the processes as it likes. Whoever goes
// on is found by its run, and events may name the instance as it was called when the run began.
//
// A stop ends what others want of those it stops; what else they want goes on. A start of somebody who is leaving lets it
// in when it has left. Nobody comes in while somebody leaves who must leave after it. Restart, rolling, scale and drain
// are refused for those that another operation but a start still works on. A reload is refused while any operation but a
// start is under way, and while it stops what it has to, nothing but a stop is accepted. A shutdown ends all operations
// as failed.
//
// Whoever leaves by an operation, or was drained by one, was asked to: no restart policy and no on_exit heed its end. It
// is stopped until somebody starts it, and the tree stays up although nothing else runs. Those that need it wait if they
// wait, go on if they run, and wait after a crash. An operation waits for a start no longer than 5 minutes, and not at all
// for one that waits, itself or by others, for what users have stopped; it starts all the same when its time comes.
//
// # Health
//
// While an instance is ready its health is looked at (CheckHealth), until StopHealth. The looks are the caller's: it
// tells of a failure (HealthFailed) and of the first look that is well again (HealthWorks). One failure is said; the one
// that is too many ends the run by the stop path of the instance alone, and its restart policy decides what comes next.
//
// # The life of a shutdown
//
//	up          the tree is started and kept running
//	announcing  before_shutdown hook, then shutdown.delay; nothing starts or restarts any more
//	walking     the steps of the stop order (package ordering), each as soon as the last one before it is over
//	closing     what is left of anybody is told, then killed; beside that it lingers for bytes that the kernel still owes
//	            clients; after_shutdown hook
//	finished    Finish was given; nothing follows
//
// Every wait of it has a bound, fixed at the begin (ordering.Budget) and only ever shortened. Impatience shortens:
// urgent skips delays, hooks before the stop, drains, settling and lingering, and kills workers and gateways in order;
// services still get their stop signal and the reserve. Forced kills everybody at once.
package supervisor
