package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"lastout/process/recent"
	"lastout/supervisor"
)

// events answers with the last reports, and with those that come.
func (s *Server) events(w http.ResponseWriter, req *http.Request) error {
	f, err := s.follow(w, req)
	if err != nil {
		return err
	}
	defer f.leave()
	query := req.URL.Query()
	var at recent.Position
	for first := true; ; first = false {
		changed, last := s.Recorder.hub.Changed(), s.Recorder.hub.Closed() || f.ending()
		pieces, next, gap := s.Recorder.log.Read(at)
		at = next
		if first {
			pieces = lastOf(pieces, query.Get("tail"))
		}
		var text bytes.Buffer
		if gap {
			line, _ := json.Marshal(supervisor.Report{Kind: supervisor.KindNote, Cause: "events are missing here: they were read too late"})
			text.Write(append(line, '\n'))
		}
		for _, p := range pieces {
			text.Write(p.Text)
		}
		if text.Len() > 0 || first {
			if f.send(text.Bytes()) != nil {
				return nil
			}
		}
		if last || query.Get("follow") != "true" || !f.wait(changed) {
			return nil
		}
	}
}

// lastOf keeps so many from the end; nothing said: all.
func lastOf[T any](all []T, tail string) []T {
	if n, err := strconv.Atoi(tail); err == nil && n < len(all) {
		return all[len(all)-n:]
	}
	return all
}
