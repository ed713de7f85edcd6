package control

import (
	"net/http"

	"lastout/supervisor"
	"lastout/supervisor/report"
)

// routes is the table.
func routes() []*route {
	return []*route{
		{
			method: http.MethodGet, path: "/v1/about", right: Look, summary: "Who answers",
			answer: About{}, serve: (*Server).about,
		},
		{
			method: http.MethodGet, path: "/v1/status", right: Look, summary: "The tree as it stands",
			query: []parameter{
				nameParameter, {name: "brief", kind: "boolean", doc: "leave out what the kernel has to be asked for"},
			},
			answer: Status{}, problems: []int{http.StatusNotFound}, serve: (*Server).status,
		},
		{
			method: http.MethodGet, path: "/v1/events", right: Look, lines: true,
			summary: "The last reports, as the journal has them, and with follow those that come",
			query: []parameter{
				{name: "follow", kind: "boolean", doc: "go on with what comes"},
				{name: "tail", kind: "integer", doc: "begin with so many of the last; none: with all that are kept"},
			},
			answer: supervisor.Report{}, serve: (*Server).events,
		},
		{
			method: http.MethodGet, path: "/v1/logs", right: Look, lines: true,
			summary: "What instances have written last, and with follow what they write",
			query: []parameter{
				nameParameter,
				{name: "follow", kind: "boolean", doc: "go on with what comes"},
				{name: "tail", kind: "integer", doc: "begin with so many lines of each; none: with all that are kept"},
				{name: "since", kind: "string", doc: "nothing older than this time (RFC 3339)"},
			},
			answer: Line{}, problems: []int{http.StatusNotFound, http.StatusConflict}, serve: (*Server).logs,
		},
		{
			method: http.MethodGet, path: "/v1/wait", right: Look, summary: "Wait until processes are ready, or have left",
			query: []parameter{
				nameParameter,
				{name: "for", kind: "string", words: []string{"ready", "stopped"}, doc: "what; none: ready"},
				{name: "timeout_ms", kind: "integer", doc: "for how long, in milliseconds; none: as long as it takes"},
			},
			answer: Waited{}, problems: []int{http.StatusNotFound}, serve: (*Server).wait,
		},
		{
			method: http.MethodGet, path: "/v1/report", right: Look,
			summary: "The shutdown that is under way, as far as it has come",
			answer:  report.Shutdown{}, problems: []int{http.StatusNotFound}, serve: (*Server).report,
		},
		{
			method: http.MethodPost, path: "/v1/down", right: Operate, summary: "Shut the tree down, in order",
			body: DownRequest{}, answer: Accepted{}, status: http.StatusAccepted, serve: (*Server).down,
		},
		operationRoute("/v1/start", "Start processes, and all that they need", StartRequest{}, operation(starting)),
		operationRoute("/v1/stop", "Stop processes, and their dependents; a gateway stays when one of its workers stops", StopRequest{}, operation(stopping)),
		operationRoute("/v1/restart", "Stop processes in order, and start them again", RestartRequest{}, operation(restarting)),
		operationRoute("/v1/scale", "Change the number of instances of a process", ScaleRequest{}, operation(scaling)),
		operationRoute("/v1/drain", "Have gateways turn work away and finish what is in hand, or let work in again", DrainRequest{}, operation(draining)),
		operationRoute("/v1/signal", "Send a signal to main processes", SignalRequest{}, operation(signalling)),
		{
			method: http.MethodPost, path: "/v1/upgrade", right: Operate,
			summary: "Put another binary in the place of the running one; this connection ends with it",
			body:    UpgradeRequest{}, answer: Upgrading{}, status: http.StatusAccepted,
			problems: []int{http.StatusConflict}, serve: (*Server).upgrade,
		},
		{
			method: http.MethodGet, path: "/v1/upgrade", right: Look, summary: "What became of an upgrade, once that is known",
			query:  []parameter{{name: "number", kind: "integer", doc: "of the upgrade"}},
			answer: Upgraded{}, problems: []int{http.StatusNotFound}, serve: (*Server).upgraded,
		},
		{
			method: http.MethodGet, path: "/v1/reload", right: Look, summary: "What a reload of the configuration would do now",
			answer: supervisor.ReloadPlan{}, problems: []int{http.StatusUnprocessableEntity}, serve: (*Server).planReload,
		},
		{
			method: http.MethodPost, path: "/v1/reload", right: Operate, waited: true,
			summary: "Take the changed configuration: change what differs, and nothing else",
			body:    ReloadRequest{}, answer: Operation{}, status: http.StatusAccepted,
			problems: []int{http.StatusConflict, http.StatusUnprocessableEntity}, serve: (*Server).reload,
		},
		{
			method: http.MethodGet, path: "/v1/openapi.json", right: Look, summary: "This description",
			answer: map[string]any{}, serve: (*Server).openAPI,
		},
		{
			method: http.MethodGet, path: "/livez", right: Look, summary: "Whether lastout lives",
			answer: "ok", problems: []int{http.StatusServiceUnavailable}, serve: (*Server).livez,
		},
		{
			method: http.MethodGet, path: "/readyz", right: Look,
			summary: "Whether everything essential is ready, and no shutdown has begun",
			answer:  "ok", problems: []int{http.StatusServiceUnavailable}, serve: (*Server).readyz,
		},
		{
			method: http.MethodGet, path: "/metrics", right: Look,
			summary: "Metrics for Prometheus; as OpenMetrics where that is accepted",
			answer:  "# TYPE lastout_up gauge", serve: (*Server).metrics,
		},
	}
}

// operationRoute is the way to an operation.
func operationRoute(path, summary string, body any, serve func(*Server, http.ResponseWriter, *http.Request) error) *route {
	return &route{
		method: http.MethodPost, path: path, right: Operate, summary: summary, body: body, answer: Operation{},
		status: http.StatusAccepted, waited: true, problems: []int{http.StatusNotFound, http.StatusConflict}, serve: serve,
	}
}
