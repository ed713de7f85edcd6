package control

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"lastout/supervisor"
)

// wait answers when what it is asked for has come, or never will.
func (s *Server) wait(w http.ResponseWriter, req *http.Request) error {
	query := req.URL.Query()
	names, what := query["name"], query.Get("for")
	if what == "" {
		what = "ready"
	}
	f, err := s.follow(w, req)
	if err != nil {
		return err
	}
	defer f.leave()
	var timer <-chan time.Time
	if n, err := strconv.Atoi(query.Get("timeout_ms")); err == nil && n > 0 {
		t := time.NewTimer(time.Duration(n) * time.Millisecond)
		defer t.Stop()
		timer = t.C
	}
	for {
		changed := s.Recorder.hub.Changed()
		snapshot, err := s.snapshot(req.Context())
		switch {
		case err == errOver && what == "stopped":
			return writeJSON(w, http.StatusOK, Waited{Done: true})
		case err != nil:
			return err
		}
		chosen, err := choose(snapshot, names)
		if err != nil {
			return err
		}
		waited, over := judge(snapshot, chosen, names, what)
		if over {
			return writeJSON(w, http.StatusOK, waited)
		}
		select {
		case <-timer:
			waited.Reason = "not in time"
			return writeJSON(w, http.StatusOK, waited)
		case <-f.gone:
			return nil
		case <-s.alive.Done():
			return writeJSON(w, http.StatusOK, Waited{Done: what == "stopped", Reason: "lastout ends"})
		case <-changed:
			if s.Recorder.hub.Closed() {
				return writeJSON(w, http.StatusOK, Waited{Done: what == "stopped", Reason: "lastout ends"})
			}
		}
	}
}

// judge says whether all that is chosen is ready or has left, or will never be. The names of the answer are of those for
// whom that is not so, or not yet.
func judge(s supervisor.Snapshot, chosen map[string]bool, names []string, what string) (Waited, bool) {
	var waited Waited
	never := false
	if what == "ready" && s.Phase != supervisor.Up {
		return Waited{Reason: "a shutdown is under way"}, true
	}
	for i := range s.Instances {
		x := &s.Instances[i]
		if !chosen[x.Name] || len(names) == 0 && (x.State == supervisor.Off || what == "ready" && x.Optional) {
			continue
		}
		switch {
		case what == "stopped" && !x.State.Left(), what == "ready" && !instanceReady(x):
			waited.Names = append(waited.Names, x.Name)
			never = never || what == "ready" && x.State.Left()
		}
	}
	if len(names) == 0 && what == "stopped" && s.Phase != supervisor.Finished {
		return waited, false // the whole tree has left when lastout has
	}
	switch {
	case len(waited.Names) == 0:
		waited.Done = true
		return waited, true
	case never:
		waited.Names = slices.DeleteFunc(waited.Names, func(name string) bool {
			i := slices.IndexFunc(s.Instances, func(x supervisor.InstanceSnapshot) bool { return x.Name == name })
			return !s.Instances[i].State.Left()
		})
		waited.Reason = "it has ended, and nobody starts it again"
		return waited, true
	}
	return waited, false
}
