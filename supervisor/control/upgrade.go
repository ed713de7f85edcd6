package control

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// UpgradeRequest asks for another binary in the place of the running one.
type UpgradeRequest struct {
	Binary string `json:"binary,omitempty" doc:"its path; none: that from which the running one was started"`
	DryRun bool   `json:"dry_run,omitempty" doc:"only find out whether it could take over"`
}

// Upgrading is an upgrade that was proven and is about to be made, unless it was a trial.
type Upgrading struct {
	Number int    `json:"number" doc:"of this upgrade, from 1; with it /v1/upgrade tells what became of it"`
	Binary string `json:"binary"`
	From   string `json:"from" doc:"the version that runs"`
	To     string `json:"to" doc:"the version that takes over"`
}

// Upgraded is what became of an upgrade.
type Upgraded struct {
	Number int     `json:"number"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Failed string  `json:"failed,omitempty" doc:"why the old one goes on"`
	Kept   int     `json:"kept" doc:"processes that were handed over"`
	Away   Seconds `json:"away_seconds" doc:"how long the tree was without a supervisor"`
}

// upgrade proves a binary. The exec is begun when the answer is out, for it ends this connection.
func (s *Server) upgrade(w http.ResponseWriter, req *http.Request) error {
	var asked UpgradeRequest
	if err := readJSON(req, &asked); err != nil {
		return err
	}
	peer, _ := peerIn(req.Context())
	answer, begin, err := s.System.Upgrade(asked, "upgrade by "+peer.String())
	if err != nil {
		return problemf(http.StatusConflict, "%v", err)
	}
	if begin != nil {
		defer begin()
	}
	if err := writeJSON(w, http.StatusAccepted, answer); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// upgraded tells what became of an upgrade, once that is known.
func (s *Server) upgraded(w http.ResponseWriter, req *http.Request) error {
	number, _ := strconv.Atoi(req.URL.Query().Get("number"))
	answer, ok := s.System.Upgraded(req.Context(), number)
	if !ok {
		return problemf(http.StatusNotFound, "there was no upgrade %d", number)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// Upgrade asks for an upgrade. What becomes of it, Upgraded tells.
func (c *Client) Upgrade(ctx context.Context, r UpgradeRequest) (*Upgrading, error) {
	return ask[Upgrading](ctx, c, http.MethodPost, "/v1/upgrade", nil, r)
}

// Upgraded waits until an upgrade is over. The connection is cut off by the upgrade itself; then it is asked again.
func (c *Client) Upgraded(ctx context.Context, number int) (*Upgraded, error) {
	return ask[Upgraded](ctx, c, http.MethodGet, "/v1/upgrade", url.Values{"number": {strconv.Itoa(number)}}, nil)
}
