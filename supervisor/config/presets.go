package config

import (
	"slices"
	"syscall"
	"time"

	"lastout/supervisor"
)

// presets is all that is known of programs. The signals are those of the programs' own documentation, which is named at
// each; the timeouts leave them the time they take by themselves. Gateways that take a signal to finish are invited by
// it; others are watched until nobody waits for an answer, for they would drop what they have not accepted yet, or
// need not know any signal at all.
var presets = slices.Concat(proxies, appServers, jobs, stores)

const (
	background = "it goes to the background, and counts as ended then "
	drops      = "drops the requests in hand"
)

// proxies stand before others.
var proxies = []Preset{
	{
		Name: "nginx",
		Settings: `drain = { signal = "QUIT", until = "exit" }
stop = { signal = "QUIT", timeout = "10s", then = [{ signal = "TERM", timeout = "2s" }] }`,
		Sockets: NginxFDs,
		Pitfalls: []Pitfall{
			{
				background + `(give it -g "daemon off;", or write that into its file and name it with -c)`,
				all(lacks("daemon off"), not(given("-c"))),
			},
			{"WebSockets and long answers hold its end up for ever (set worker_shutdown_timeout in its file)", nil},
			{"an idle connection that never carried a request holds its end up for client_header_timeout, where lastout may " +
				"not close it", nil},
		},
		Source:   "nginx.org/en/docs/control.html",
		programs: []string{"nginx", "openresty"}, abrupt: []string{"TERM", "INT"}, does: drops,
	},
	{
		Name: "haproxy",
		Settings: `drain = { signal = "USR1", until = "exit" }
stop = { signal = "USR1", timeout = "10s", then = [{ signal = "TERM", timeout = "2s" }] }`,
		Sockets: OwnFDs,
		Pitfalls: []Pitfall{
			{background + "(leave -D out, or use -W)", given("-D")},
			{"one WebSocket holds its soft stop up for ever (set hard-stop-after in its file)", nil},
		},
		Source:   "docs.haproxy.org: Management Guide, section 4, stopping and restarting",
		programs: []string{"haproxy"}, abrupt: []string{"TERM", "INT"}, does: "drops the connections in hand",
	},
	{
		Name: "envoy",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "10s" }`,
		Pitfalls: []Pitfall{
			{"SIGTERM closes everything at once: its own drain is asked for at its admin address (drain.command: POST " +
				"/drain_listeners?graceful&skip_exit)", nil},
			{`HTTP/2 and gRPC are never quiet for long (drain.until = "connections")`, nil},
		},
		Source:   "envoyproxy.io: architecture overview, operations, draining",
		programs: []string{"envoy"},
	},
	{
		Name: "caddy",
		Settings: `drain = { signal = "TERM", until = "exit" }
stop = { signal = "TERM", timeout = "10s" }`,
		Sockets: OwnFDs,
		Pitfalls: []Pitfall{
			{background + "(caddy run, not caddy start)", given("start")},
			{"its grace_period has no bound unless its file sets one: HTTP/2 and WebSockets hold its end up", nil},
		},
		Source:   "caddyserver.com/docs/command-line, signals; caddyserver.com/docs/caddyfile/options, grace_period",
		programs: []string{"caddy"}, abrupt: []string{"QUIT"}, does: drops,
	},
	{
		Name: "traefik",
		Settings: `drain = { signal = "TERM", until = "exit", timeout = "12s" }
stop = { signal = "TERM", timeout = "12s" }`,
		Sockets: ListenFDs,
		Pitfalls: []Pitfall{
			{"WebSockets are not waited for", nil},
			{"transport.lifeCycle.requestAcceptGraceTimeout of an entry point is added to its graceTimeOut of 10s", nil},
		},
		Source:   "doc.traefik.io: routing, entry points, transport.lifeCycle",
		programs: []string{"traefik"}, own: 10 * time.Second,
	},
	{
		Name: "apache",
		Settings: `drain = { signal = "WINCH", until = "exit" }
stop = { signal = "WINCH", timeout = "10s", then = [{ signal = "TERM", timeout = "2s" }] }`,
		Pitfalls: []Pitfall{
			{background + "(give it -DFOREGROUND)", all(lacks("FOREGROUND"), not(given("-X")))},
			{"a terminal sends SIGWINCH when its window changes: in the foreground of one, that stops it", nil},
			{"GracefulShutdownTimeout has no bound unless its file sets one", nil},
		},
		Source:   "httpd.apache.org/docs/2.4/stopping.html",
		programs: []string{"apache2", "httpd"}, abrupt: []string{"TERM"}, does: drops,
	},
	{
		Name: "uwsgi-router",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "10s", then = [{ signal = "INT", timeout = "2s" }] }`,
		Pitfalls: []Pitfall{{
			"on SIGTERM uwsgi reloads and never leaves, unless it is told --die-on-term",
			all(stoppedBy(syscall.SIGTERM), lacks("die-on-term"), lacks("unix_signal:15")),
		}},
		Source: "uwsgi-docs.readthedocs.io: Managing the uWSGI server, signals",
	},
}

// appServers answer requests: as workers behind a gateway they are stopped by their signal, as gateways drained first.
var appServers = []Preset{
	{
		Name: "uwsgi",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "65s", then = [{ signal = "INT", timeout = "2s" }] }`,
		Sockets: ListenFDs,
		Pitfalls: []Pitfall{
			{
				"on SIGTERM uwsgi reloads and never leaves, unless it is told --die-on-term, or --hook-master-start " +
					"\"unix_signal:15 gracefully_kill_them_all\"",
				all(stoppedBy(syscall.SIGTERM), lacks("die-on-term"), lacks("unix_signal:15")),
			},
			{background + "(leave --daemonize out)", given("--daemonize", "-d", "--daemonize2")},
			{"--die-on-term alone drops the requests in hand: only the hook gracefully_kill_them_all lets them finish", nil},
		},
		Source:   "uwsgi-docs.readthedocs.io: Managing the uWSGI server, signals; Hooks",
		programs: []string{"uwsgi"}, abrupt: []string{"INT", "QUIT"}, does: drops,
		own: time.Minute, ownArgs: []string{"--worker-reload-mercy"},
	},
	{
		Name: "gunicorn",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "35s" }`,
		Sockets: ListenFDs,
		Pitfalls: []Pitfall{
			{background + "(leave --daemon out)", given("-D", "--daemon")},
			{"on SIGTERM it drops the connections that it has not accepted yet: as a gateway it is drained before", nil},
		},
		Source:   "gunicorn.org/signals; gunicorn.org: settings, graceful_timeout",
		programs: []string{"gunicorn"}, abrupt: []string{"INT", "QUIT"}, does: drops,
		own: 30 * time.Second, ownArgs: []string{"--graceful-timeout"},
	},
	{
		Name: "uvicorn",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "10s" }`,
		Sockets: OwnFDs,
		Pitfalls: []Pitfall{
			{"it waits for background tasks, WebSockets and event streams without a bound unless it is given " +
				"--timeout-graceful-shutdown", nil},
			{"a second SIGTERM or SIGINT makes it drop the requests in hand", nil},
		},
		Source:   "uvicorn.dev: settings, timeouts",
		programs: []string{"uvicorn"}, ownArgs: []string{"--timeout-graceful-shutdown"},
	},
	{
		Name: "puma",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "35s" }`,
		Sockets: ListenFDs,
		Pitfalls: []Pitfall{
			{"what it has not accepted yet is dropped unless its file says drain_on_shutdown: as a gateway it is drained " +
				"before", nil},
			{"without stdout_redirect SIGHUP stops it", nil},
		},
		Source:   "github.com/puma/puma: docs/signals.md, docs/systemd.md",
		programs: []string{"puma"}, own: 30 * time.Second,
	},
	{
		Name: "unicorn",
		Settings: `drain = { until = "quiet" }
stop = { signal = "QUIT", timeout = "65s", then = [{ signal = "TERM", timeout = "2s" }] }`,
		Sockets: ListenFDs,
		Pitfalls: []Pitfall{
			{background + "(leave -D out)", given("-D", "--daemonize")},
			{"TERM and QUIT mean the opposite of what they mean to puma and gunicorn", nil},
		},
		Source:   "yhbt.net/unicorn/SIGNALS.html; yhbt.net/unicorn: Unicorn::Configurator, timeout",
		programs: []string{"unicorn", "unicorn_rails"}, abrupt: []string{"TERM", "INT"}, does: drops, own: time.Minute,
	},
	{
		Name: "php-fpm",
		Settings: `drain = { until = "quiet" }
stop = { signal = "QUIT", timeout = "10s", then = [{ signal = "TERM", timeout = "2s" }] }`,
		Sockets: FPMFDs,
		Pitfalls: []Pitfall{
			{background + "(give it -F, or write daemonize = no into its file)", nil},
			{"hint: even on SIGQUIT php-fpm drops the requests in hand unless process_control_timeout is set in its file " +
				"(this cannot be seen from here)", always},
		},
		Source:   "php.net: FastCGI Process Manager, configuration, process_control_timeout; php-fpm(8)",
		programs: []string{"php-fpm"}, abrupt: []string{"TERM", "INT"}, does: drops,
	},
	{
		Name: "node",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "10s" }`,
		Sockets: OwnFDs,
		Pitfalls: []Pitfall{
			{
				"npm and its kind stay between, and need not pass the signal on (run node itself)",
				runs("npm", "npx", "yarn", "pnpm"),
			},
			{"SIGTERM ends it at once unless the application handles it and calls server.close()", nil},
			{"WebSockets are not waited for", nil},
		},
		Source:   "nodejs.org/api: process, signal events; http, server.close",
		programs: []string{"node", "nodejs"},
	},
	{
		Name: "go-http",
		Settings: `drain = { until = "quiet" }
stop = { signal = "TERM", timeout = "10s" }`,
		Sockets: OwnFDs,
		Pitfalls: []Pitfall{
			{"the go command stays between, and need not pass the signal on (build the program, and run that)", runs("go")},
			{"SIGTERM ends it at once unless the application handles it and calls Shutdown", nil},
			{"hijacked connections, such as WebSockets, are not waited for", nil},
		},
		Source: "pkg.go.dev/net/http: Server.Shutdown; pkg.go.dev/os/signal",
	},
}

// jobs work off queues.
var jobs = []Preset{
	{
		Name:     "celery",
		Settings: `stop = { signal = "TERM", timeout = "60s", then = [{ signal = "QUIT", timeout = "5s" }] }`,
		Pitfalls: []Pitfall{
			{background + "(celery worker, not celery multi)", given("multi", "--detach", "-D")},
			{"a second SIGTERM ends the tasks in hand; those with acks_late alone are done again", nil},
			{"tasks may take for ever (worker_soft_shutdown_timeout, or stop.timeout above the longest of them)", nil},
		},
		Source:   "docs.celeryq.dev: Workers Guide, stopping the worker",
		programs: []string{"celery"}, abrupt: []string{"QUIT"}, does: "drops the tasks in hand",
	},
	{
		Name: "sidekiq",
		Settings: `drain = { signal = "TSTP" }
stop = { signal = "TERM", timeout = "30s" }`,
		Pitfalls: []Pitfall{
			{
				`on SIGTSTP sidekiq takes no new jobs and does not leave: its drain waits for its timeout (did you mean ` +
					`drain.until = "probe"?)`,
				all(drainedUntil(supervisor.UntilExit), invitedBy(syscall.SIGTSTP)),
			},
			{"jobs that are not done within -t (25s) are put back, and done again", nil},
		},
		Source:   "github.com/sidekiq/sidekiq/wiki: Signals, Deployment",
		programs: []string{"sidekiq"}, own: 25 * time.Second, ownArgs: []string{"-t", "--timeout"},
	},
}

// stores keep others' data.
var stores = []Preset{
	{
		Name: "postgresql",
		Settings: `role = "service"
stop = { signal = "INT", timeout = "60s", then = [{ signal = "QUIT", timeout = "5s" }] }`,
		Pitfalls: []Pitfall{
			{background + "(run postgres itself, not pg_ctl)", runs("pg_ctl", "pg_ctlcluster")},
			{"after SIGQUIT or SIGKILL it recovers at its next start", nil},
		},
		Source:   "postgresql.org/docs/current/server-shutdown.html",
		programs: []string{"postgres", "postmaster"}, abrupt: []string{"TERM"},
		does: "waits for every client to hang up, pooled ones too",
	},
	{
		Name: "mysql",
		Settings: `role = "service"
stop = { signal = "TERM", timeout = "60s" }`,
		Pitfalls: []Pitfall{{
			"mysqld_safe does not pass the stop signal on (run mysqld or mariadbd itself)",
			runs("mysqld_safe", "mariadbd-safe"),
		}},
		Source:   "dev.mysql.com/doc/refman: Unix signal handling in MySQL",
		programs: []string{"mysqld", "mariadbd", "mysqld_safe", "mariadbd-safe"},
	},
	{
		Name: "redis",
		Settings: `role = "service"
stop = { signal = "TERM", timeout = "60s" }`,
		Pitfalls: []Pitfall{
			{background + "(leave --daemonize out)", given("--daemonize")},
			{"where its data cannot be saved it refuses to stop, and is killed at the end of stop.timeout", nil},
		},
		Source:   "redis.io/docs/reference/signals",
		programs: []string{"redis-server", "valkey-server", "keydb-server"}, own: 10 * time.Second,
	},
	{
		Name: "memcached",
		Settings: `role = "service"
stop = { signal = "TERM", timeout = "5s" }`,
		Pitfalls: []Pitfall{
			{background + "(leave -d out)", given("-d", "--daemon")},
			{`with -e only SIGUSR1 keeps what is cached (stop.signal = "USR1")`, given("-e", "--memory-file")},
		},
		Source:   "github.com/memcached/memcached/wiki: WarmRestart",
		programs: []string{"memcached"},
	},
	{
		Name: "rabbitmq",
		Settings: `role = "service"
stop = { signal = "TERM", timeout = "60s" }`,
		Pitfalls: []Pitfall{{background + "(leave -detached out)", given("-detached")}},
		Source:   "rabbitmq.com/docs: rabbitmq-server(8); erlang.org: kernel, OS signal event handler",
		programs: []string{"rabbitmq-server"},
	},
}
