package control

import (
	"net/http"
	"time"
)

// follower is an answer that takes as long as it takes. It holds one of the server's places for those.
type follower struct {
	server  *Server
	w       http.ResponseWriter
	rc      *http.ResponseController
	gone    <-chan struct{} // the client is
	written bool            // the head is
}

// follow takes a place. The bounds of a usual request do not hold any more: each part of the answer has its own.
func (s *Server) follow(w http.ResponseWriter, req *http.Request) (*follower, error) {
	select {
	case s.followers <- struct{}{}:
	default:
		return nil, problemf(http.StatusServiceUnavailable, "%d others follow already: there is no place left", maxFollowers)
	}
	f := &follower{server: s, w: w, rc: http.NewResponseController(w), gone: req.Context().Done()}
	_ = f.rc.SetReadDeadline(time.Time{})
	_ = f.rc.SetWriteDeadline(time.Time{})
	return f, nil
}

// leave gives the place back, and bounds what is still to be written.
func (f *follower) leave() {
	_ = f.rc.SetWriteDeadline(time.Now().Add(answerBound))
	<-f.server.followers
}

// send writes a part of the answer. Who does not take it in time is cut off.
func (f *follower) send(text []byte) error {
	if !f.written {
		f.w.Header().Set("Content-Type", "application/x-ndjson")
		f.w.Header().Set("Cache-Control", "no-store")
		f.written = true
	}
	if err := f.rc.SetWriteDeadline(time.Now().Add(answerBound)); err != nil {
		return err
	}
	if len(text) > 0 {
		if _, err := f.w.Write(text); err != nil {
			return err
		}
	}
	return f.rc.Flush()
}

// ending says that what there is now is the last.
func (f *follower) ending() bool { return f.server.alive.Err() != nil }

// wait waits for a change, false: the client is gone. Where the server ends it waits no more.
func (f *follower) wait(changed <-chan struct{}) bool {
	select {
	case <-changed:
	case <-f.server.alive.Done():
	case <-f.gone:
		return false
	}
	return true
}
