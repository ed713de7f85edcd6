package control

import (
	"errors"
	"net/http"

	"lastout/supervisor"
)

// Faulty is a configuration that cannot be taken: nothing changes.
type Faulty struct {
	Faults []string // FILE:LINE: text
}

func (e *Faulty) Error() string { return "the configuration has faults, and nothing changes" }

// ReloadRequest takes the changed configuration.
type ReloadRequest struct {
	Wait bool `json:"wait,omitempty" doc:"answer when it is over, and not when it has begun"`
}

// reload takes the changed configuration.
func (s *Server) reload(w http.ResponseWriter, req *http.Request) error {
	var asked ReloadRequest
	if err := readJSON(req, &asked); err != nil {
		return err
	}
	peer, _ := peerIn(req.Context())
	cause := "reload by " + peer.String()
	begin := func() (<-chan supervisor.Report, error) { return s.System.Reload(cause) }
	if err := s.tell(w, req, begin, cause, asked.Wait); err != nil {
		return refuseFaulty(w, err)
	}
	return nil
}

// planReload says what that would do now.
func (s *Server) planReload(w http.ResponseWriter, _ *http.Request) error {
	plan, ok, err := s.System.PlanReload()
	switch {
	case err != nil:
		return refuseFaulty(w, err)
	case !ok:
		return errOver
	}
	return writeJSON(w, http.StatusOK, plan)
}

// refuseFaulty names every fault.
func refuseFaulty(w http.ResponseWriter, err error) error {
	var faulty *Faulty
	if !errors.As(err, &faulty) {
		return err
	}
	return writeJSON(w, http.StatusUnprocessableEntity, Problem{Error: faulty.Error(), Faults: faulty.Faults})
}
