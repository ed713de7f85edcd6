package config

import "slices"

// Type is what a key's value may be: one or several of these.
type Type uint16

// The types.
const (
	String   Type = 1 << iota
	Word          // one of Key.Words
	Integer       // within Key.Range
	Bool          //
	Duration      // "1m30s"; above 0 unless Key.Zero
	Signal        // "SIGTERM", "TERM", "RTMIN+3"
	Size          // "10MiB"
	Strings       // an array of strings
	Integers      // an array of integers
	Table         // a table whose keys stand below this one
	Tables        // an array of such tables
	Any           // whatever it is: not looked at
)

// Key is one row of the schema: a key of lastout.toml.
type Key struct {
	Path    string   // "process.*.stop.timeout"; * is a name of the user's choice
	Type    Type     //
	Words   []string // the values of a Word, or the words that may stand in a Duration's or Size's place
	Range   [2]int64 // of an Integer, or of each of Integers; zero: any
	Zero    bool     // a Duration may be "0s"
	Default string   // for people
	Inherit bool     // may stand in [defaults] (and all below it)
	OneOf   string   // of the keys of a table with the same OneOf, one may be given
	Doc     string   // what it is for
}

// Schema is every key there is, in the order of the documentation.
func Schema() []Key { return slices.Clone(schema) }

var schema = slices.Concat(treeKeys(), processKeys())

// treeKeys are the settings of the whole.
func treeKeys() []Key {
	return slices.Concat([]Key{
		{Path: "version", Type: Integer, Default: "1", Doc: "the version of the file's format"},
		{Path: "name", Type: String, Default: "folder of the file", Doc: "the tree's name: [a-z0-9_-]+"},
		{Path: "include", Type: Strings, Doc: "further files, as patterns relative to this one"},
		{Path: "x-*", Type: Any, Doc: "notes of your own: not looked at"},
		{Path: "shutdown", Type: Table, Doc: "how the whole tree is taken down"},
		{
			Path: "shutdown.timeout", Type: Duration, Words: []string{"none"}, Default: "30s",
			Doc: "the bound of the whole shutdown",
		},
		{Path: "shutdown.reserve", Type: Duration, Default: "2s", Doc: "kept back for each step that is still to come"},
		{
			Path: "shutdown.delay", Type: Duration, Zero: true, Default: "0s",
			Doc: "between the announcement and the first stop, for a load balancer to look away",
		},
		{Path: "shutdown.kill_timeout", Type: Duration, Default: "5s", Doc: "for SIGKILL to work before a run is lost"},
		{
			Path: "shutdown.linger", Type: Duration, Zero: true, Default: "2s",
			Doc: "as PID 1: for bytes that the kernel still owes clients",
		},
		{
			Path: "shutdown.exit_code", Type: Word, Words: []string{"auto", "class"}, Default: "auto",
			Doc: "auto: that of the process whose end began the shutdown; class: always lastout's own",
		},
		{
			Path: "shutdown.when_done", Type: Word, Words: []string{"exit", "stay"}, Default: "exit",
			Doc: "when nothing runs, waits or will restart",
		},
		{Path: "log", Type: Table, Doc: "lastout's own log"},
		{
			Path: "log.level", Type: Word, Words: []string{"debug", "info", "warn", "error"}, Default: "info",
			Doc: "the least level that is shown",
		},
		{
			Path: "log.format", Type: Word, Words: []string{"auto", "text", "json"}, Default: "auto",
			Doc: "auto: text, without the time under a service manager's journal",
		},
		{Path: "control", Type: Table, Doc: "the control socket and the HTTP listener"},
		{
			Path: "control.socket", Type: String, Default: "$XDG_RUNTIME_DIR/lastout/NAME.sock, or as lastout help control says",
			Doc: `its path, or "off"`,
		},
		{Path: "control.listen", Type: String, Default: "off", Doc: "host:port of /livez, /readyz and /metrics"},
		{
			Path: "control.allow_users", Type: Strings,
			Doc: `who may use the socket beside root and its owner: "NAME", or "NAME:read" to look only`,
		},
		{Path: "guardian", Type: Table, Doc: "a small parent stage that takes the tree down if lastout dies"},
		{Path: "guardian.enabled", Type: Bool, Default: "false", Doc: "whether there is one"},
		{Path: "hooks", Type: Table, Doc: "commands run around the shutdown of the whole"},
		{Path: "defaults", Type: Table, Doc: "values for all processes"},
	},
		socketKeys(),
		hook(Key{Path: "hooks.before_shutdown", Doc: "before anybody is told to stop"}),
		hook(Key{Path: "hooks.after_shutdown", Doc: "when all are gone"}),
	)
}

// socketKeys are the listeners that lastout opens, keeps, and hands on.
func socketKeys() []Key {
	return []Key{
		{Path: "socket", Type: Table, Doc: "listeners that lastout holds, by name"},
		{Path: "socket.*", Type: Table, Doc: "one of them, open as long as the tree is"},
		{
			Path: "socket.*.listen", Type: String | Strings,
			Doc: `"host:port", "[v6]:port", "unix:/path", "unix:@name" or "udp:host:port"`,
		},
		{Path: "socket.*.backlog", Type: Integer, Range: [2]int64{1, 1<<31 - 1}, Default: "4096", Doc: "of listen(2)"},
		{
			Path: "socket.*.reuseport", Type: Bool, Default: "false",
			Doc: "SO_REUSEPORT: another program may listen at the same address",
		},
		{Path: "socket.*.mode", Type: String, Default: "0660", Doc: "of a unix socket's file"},
		{Path: "socket.*.user", Type: String | Integer, Doc: "its owner"},
		{Path: "socket.*.group", Type: String | Integer, Doc: "its group"},
	}
}

// processKeys are the keys of a process.
func processKeys() []Key {
	return slices.Concat([]Key{
		{Path: "process", Type: Table, Doc: "the processes, by name"},
		{Path: "process.*", Type: Table, Doc: "a thing to keep running"},
		{Path: "process.*.x-*", Type: Any, Doc: "notes of your own: not looked at"},
		{
			Path: "process.*.role", Type: Word, Words: []string{"worker", "gateway", "service", "task"}, Default: "worker",
			Inherit: true, Doc: "what it is to the others",
		},
		{
			Path: "process.*.preset", Type: Word, Words: presetNames(),
			Doc: "the ways of a well-known program: below its own keys, above [defaults]",
		},
		{
			Path: "process.*.enabled", Type: Bool, Default: "true", Inherit: true,
			Doc: "false: never started, still in the order",
		},
		{Path: "process.*.essential", Type: Bool, Default: "true", Inherit: true, Doc: "the tree is ready only with it"},
		{Path: "process.*.profiles", Type: Strings, Inherit: true, Doc: "enabled only where one of these is active"},
		{Path: "process.*.command", Type: Strings, OneOf: "command or shell", Doc: "the program and its arguments"},
		{Path: "process.*.shell", Type: String, OneOf: "command or shell", Doc: "a command line for /bin/sh -c"},
		{Path: "process.*.instances", Type: Integer, Range: [2]int64{0, 1000}, Default: "1", Doc: "how many copies"},
		{Path: "process.*.port", Type: Integer, Range: [2]int64{1, 65535}, Doc: "{port} and $PORT of the first copy"},
		{Path: "process.*.depends_on", Type: Strings, Doc: "what must be ready before it starts"},
		{Path: "process.*.fronts", Type: Strings, Default: "derived", Doc: "the workers a gateway stands before"},
		{Path: "process.*.outlives", Type: Strings, Doc: "who must leave before it, whatever the edge between them says"},
		{Path: "process.*.sockets", Type: Strings, Doc: "the held listeners it is handed, as descriptors from 3 on"},
		{Path: "process.*.env", Type: Table, Inherit: true, Doc: "its environment"},
		{Path: "process.*.env.*", Type: String, Doc: "a variable"},
		{Path: "process.*.env_file", Type: String | Strings, Inherit: true, Doc: `files of variables; "?x" may be missing`},
		{Path: "process.*.clear_env", Type: Bool, Default: "false", Inherit: true, Doc: "inherit no variable"},
		{Path: "process.*.cwd", Type: String, Default: "folder of the file", Inherit: true, Doc: "its working directory"},
		{
			Path: "process.*.restart", Type: Word, Words: []string{"always", "on-failure", "never"}, Inherit: true,
			Default: "on-failure; task: never", Doc: "when it is started again",
		},
		{Path: "process.*.backoff", Type: Table, Inherit: true, Doc: "how restarts are spaced out"},
		{Path: "process.*.backoff.min", Type: Duration, Default: "100ms", Doc: "the first pause"},
		{Path: "process.*.backoff.max", Type: Duration, Default: "30s", Doc: "the longest pause"},
		{Path: "process.*.backoff.reset_after", Type: Duration, Default: "60s", Doc: "a run that lived so long starts anew"},
		{
			Path: "process.*.backoff.limit", Type: Integer, Range: [2]int64{0, 1 << 31}, Default: "10",
			Doc: "attempts before it has failed for good; 0: none",
		},
		{
			Path: "process.*.on_exit", Type: Word, Words: []string{"ignore", "shutdown", "shutdown-on-failure"},
			Default: "shutdown-on-failure", Inherit: true, Doc: "what follows when it has ended for good",
		},
	}, circumstanceKeys(), healthKeys(), readyKeys(), drainKeys(), stopKeys(), hookKeys(), logKeys())
}

// readyKeys say when a run is ready.
func readyKeys() []Key {
	const way = "tcp, http, exec, notify, fd, log or delay"
	return slices.Concat([]Key{
		{
			Path: "process.*.ready", Type: Table, Inherit: true, Default: "exec succeeded; task: exit 0",
			Doc: "when it is ready",
		},
		{Path: "process.*.ready.tcp", Type: String, OneOf: way, Doc: "host:port accepts"},
		{Path: "process.*.ready.http", Type: String, OneOf: way, Doc: "the URL answers with 2xx or 3xx"},
		{Path: "process.*.ready.notify", Type: Bool, OneOf: way, Doc: "it says READY=1 to $NOTIFY_SOCKET"},
		{
			Path: "process.*.ready.fd", Type: Integer, Range: [2]int64{3, 1023}, OneOf: way,
			Doc: "it writes a newline to this descriptor",
		},
		{Path: "process.*.ready.log", Type: String, OneOf: way, Doc: "a line of its output matches this regular expression"},
		{Path: "process.*.ready.delay", Type: Duration, OneOf: way, Doc: "it has lived so long"},
		{Path: "process.*.ready.timeout", Type: Duration, Default: "60s", Doc: "how long that may take"},
		{Path: "process.*.ready.interval", Type: Duration, Default: "100ms", Doc: "between two probes"},
		{
			Path: "process.*.ready.on_timeout", Type: Word, Words: []string{"fail", "continue"}, Default: "fail",
			Doc: "what follows when it was not ready in time",
		},
	}, program(Key{Path: "process.*.ready.exec", OneOf: way, Doc: "the command exits 0"}))
}

// drainKeys say how work is turned away and finished.
func drainKeys() []Key {
	const way = "signal or command"
	return slices.Concat([]Key{
		{Path: "process.*.drain", Type: Table, Doc: "how work is turned away and finished"},
		{Path: "process.*.drain.signal", Type: Signal, OneOf: way, Doc: "the invitation, to the main process"},
		{
			Path: "process.*.drain.until", Type: Word, Words: []string{"exit", "quiet", "connections", "probe"},
			Default: "exit where invited, else quiet", Doc: "when it is drained",
		},
		{Path: "process.*.drain.quiet", Type: Duration, Default: "500ms", Doc: "how long its connections must be quiet"},
		{Path: "process.*.drain.timeout", Type: Duration, Default: "10s", Doc: "how long the drain may take"},
		{Path: "process.*.drain.settle", Type: Duration, Zero: true, Default: "1s", Doc: "for its last bytes to go out"},
		{
			Path: "process.*.drain.quiesce", Type: Word, Words: []string{"auto", "filter", "sentinel", "minttl", "none"},
			Default: "auto", Doc: "how new connections are kept out",
		},
		{
			Path: "process.*.drain.preconnects", Type: Word, Words: []string{"close", "keep"}, Default: "close",
			Doc: "what becomes of connections that never carried a byte",
		},
		{
			Path: "process.*.drain.ports", Type: Integers, Range: [2]int64{1, 65535}, Default: "found in the tree",
			Doc: "where its clients come in",
		},
	},
		hook(Key{Path: "process.*.drain.command", OneOf: way, Doc: "the invitation, as a command"}),
		hook(Key{Path: "process.*.drain.probe", Doc: "exits 0 when it is drained"}),
	)
}

// stopKeys say how a run is asked to leave.
func stopKeys() []Key {
	const way = "signal or command"
	return slices.Concat([]Key{
		{Path: "process.*.stop", Type: Table, Inherit: true, Doc: "how it is asked to leave"},
		{Path: "process.*.stop.signal", Type: Signal, OneOf: way, Default: "SIGTERM", Doc: "to the main process"},
		{
			Path: "process.*.stop.timeout", Type: Duration, Zero: true, Default: "10s",
			Doc: "before the next step, or SIGKILL; 0s: SIGKILL at once",
		},
		{Path: "process.*.stop.then", Type: Tables, Doc: "further steps"},
		{Path: "process.*.stop.then.signal", Type: Signal, OneOf: way, Doc: "to the main process"},
		{Path: "process.*.stop.then.timeout", Type: Duration, Default: "10s", Doc: "before the next step, or SIGKILL"},
	},
		program(Key{Path: "process.*.stop.command", OneOf: way, Doc: "a command that makes it leave"}),
		program(Key{Path: "process.*.stop.then.command", OneOf: way, Doc: "a command that makes it leave"}),
	)
}

// hookKeys are the commands run around a process's life.
func hookKeys() []Key {
	return slices.Concat(
		[]Key{{Path: "process.*.hooks", Type: Table, Inherit: true, Doc: "commands run around its life"}},
		hook(Key{Path: "process.*.hooks.pre_start", Doc: "before each start"}),
		hook(Key{Path: "process.*.hooks.post_start", Doc: "when it is ready, before those that need it start"}),
		hook(Key{Path: "process.*.hooks.pre_drain", Doc: "before new work is turned away"}),
		hook(Key{Path: "process.*.hooks.pre_stop", Doc: "before it is told to stop"}),
		hook(Key{Path: "process.*.hooks.post_stop", Doc: "after each end"}),
	)
}

// logKeys say where a process's output goes.
func logKeys() []Key {
	ways := []string{"prefix", "inherit", "file", "null"}
	return []Key{
		{Path: "process.*.log", Type: Table, Inherit: true, Doc: "where its output goes"},
		{Path: "process.*.log.stdout", Type: Word, Words: ways, Default: "prefix", Doc: "its standard output"},
		{Path: "process.*.log.stderr", Type: Word, Words: ways, Default: "prefix", Doc: "its standard error"},
		{Path: "process.*.log.file", Type: String, Doc: `the file of "file"`},
		{Path: "process.*.log.max_size", Type: Size, Default: "10MiB", Doc: "of the file before it is rotated"},
		{Path: "process.*.log.max_files", Type: Integer, Range: [2]int64{1, 1000}, Default: "5", Doc: "how many are kept"},
		{Path: "process.*.log.timestamps", Type: Bool, Default: "false", Doc: "the time before each line"},
	}
}

// circumstanceKeys are what a process finds around it, beside its environment.
func circumstanceKeys() []Key {
	return []Key{
		{Path: "process.*.user", Type: String | Integer, Inherit: true, Doc: "who it runs as"},
		{Path: "process.*.group", Type: String | Integer, Inherit: true, Doc: "its group"},
		{Path: "process.*.groups", Type: Strings, Default: "all that name its user", Inherit: true, Doc: "its supplementary groups"},
		{Path: "process.*.umask", Type: String, Inherit: true, Doc: `"022"`},
		{Path: "process.*.limits", Type: Table, Inherit: true, Doc: "resource limits, by name"},
		{Path: "process.*.limits.*", Type: String | Integer, Doc: "a limit: soft:hard, or one number"},
		{Path: "process.*.nice", Type: Integer, Range: [2]int64{-20, 19}, Inherit: true, Doc: "its priority"},
		{Path: "process.*.oom_score_adj", Type: Integer, Range: [2]int64{-1000, 1000}, Inherit: true, Doc: "see proc(5)"},
		{Path: "process.*.capabilities", Type: Strings, Inherit: true, Doc: "those it keeps"},
		{Path: "process.*.no_new_privs", Type: Bool, Inherit: true, Doc: "see prctl(2)"},
		{Path: "process.*.stdin", Type: String, Inherit: true, Default: "null", Doc: `"null", "inherit" or a file`},
		{
			Path: "process.*.pdeathsig", Type: String, Inherit: true, Default: "stop.signal, or TERM; none under a guardian",
			Doc: `the signal its main process gets when lastout dies, or "none": it lives on`,
		},
		{
			Path: "process.*.memory_max", Type: Size, Words: []string{"max"}, Default: "max", Inherit: true,
			Doc: "memory of each copy's tree: above it the kernel kills; needs cgroup v2",
		},
		{
			Path: "process.*.pids_max", Type: Integer, Range: [2]int64{1, 1 << 22}, Inherit: true,
			Doc: "processes and threads of each copy's tree; needs cgroup v2",
		},
		{
			Path: "process.*.cpu_weight", Type: Integer, Range: [2]int64{1, 10000}, Inherit: true,
			Doc: "share of the CPU where that is short, beside 100 of others; needs cgroup v2",
		},
	}
}

// healthKeys say whether a run is still well.
func healthKeys() []Key {
	const way = "http, tcp, exec or watchdog"
	return slices.Concat([]Key{
		{Path: "process.*.health", Type: Table, Inherit: true, Doc: "whether it is still well"},
		{Path: "process.*.health.http", Type: String, OneOf: way, Doc: "the URL answers with 2xx or 3xx"},
		{Path: "process.*.health.tcp", Type: String, OneOf: way, Doc: "host:port accepts"},
		{Path: "process.*.health.watchdog", Type: Duration, OneOf: way, Doc: "it says WATCHDOG=1 at least so often"},
		{Path: "process.*.health.interval", Type: Duration, Default: "10s", Doc: "between two probes"},
		{Path: "process.*.health.timeout", Type: Duration, Default: "2s", Doc: "of a probe"},
		{
			Path: "process.*.health.failures", Type: Integer, Range: [2]int64{1, 1000}, Default: "3",
			Doc: "in a row, before it is restarted",
		},
		{Path: "process.*.health.grace", Type: Duration, Zero: true, Default: "30s", Doc: "after its start"},
	}, program(Key{Path: "process.*.health.exec", OneOf: way, Doc: "the command exits 0"}))
}

// hook gives the rows of a command with a bound.
func hook(k Key) []Key {
	k.Type = Table
	return append(inner(k), Key{
		Path: k.Path + ".timeout", Type: Duration, Default: "5s", Doc: "how long it may take",
	})
}

// program gives the rows of a command that is an array, or a table with command or shell.
func program(k Key) []Key {
	k.Type = Strings | Table
	return inner(k)
}

func inner(k Key) []Key {
	const way = "command or shell"
	return []Key{
		k,
		{Path: k.Path + ".command", Type: Strings, OneOf: way, Doc: "the program and its arguments"},
		{Path: k.Path + ".shell", Type: String, OneOf: way, Doc: "a command line for /bin/sh -c"},
	}
}
