package control

import (
	"net/http"
)

// down begins a shutdown, and does not wait for it.
func (s *Server) down(w http.ResponseWriter, req *http.Request) error {
	var asked DownRequest
	if err := readJSON(req, &asked); err != nil {
		return err
	}
	peer, _ := peerIn(req.Context())
	if asked.Now {
		s.System.Hurry("down --now by " + peer.String())
	} else {
		s.System.Stop("down by " + peer.String())
	}
	return writeJSON(w, http.StatusAccepted, Accepted{Accepted: true})
}

// report answers with the shutdown that is under way, as far as it has come.
func (s *Server) report(w http.ResponseWriter, _ *http.Request) error {
	shutdown := s.System.Shutdown()
	if shutdown == nil {
		return problemf(http.StatusNotFound, "no shutdown has begun")
	}
	return writeJSON(w, http.StatusOK, shutdown)
}
