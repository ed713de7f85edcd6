package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// route is one way into the control plane. The mux, the check of rights and the OpenAPI description are made from these.
type route struct {
	method, path string
	right        Right
	summary      string
	query        []parameter
	body         any   // an example of what is sent, or nil
	answer       any   // an example of what is answered; a text for plain text, which it describes
	status       int   // of that answer; 0: 200
	waited       bool  // the same answer comes with 200, where it was waited for the end
	lines        bool  // it is answered by lines, each of that type
	problems     []int // statuses of problems, beside those of every route
	serve        func(*Server, http.ResponseWriter, *http.Request) error
}

// parameter is one of a query.
type parameter struct {
	name, kind string // string, boolean, integer
	many       bool
	words      []string
	doc        string
}

var nameParameter = parameter{
	name: "name", kind: "string", many: true, doc: "a process or an instance; may be given more than once; none: all",
}

// problem is an error with its status.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func problemf(status int, format string, args ...any) error {
	return &problem{status, fmt.Sprintf(format, args...)}
}

// mux is the whole control plane.
func (s *Server) mux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		mux.HandleFunc(r.method+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			s.answer(w, req, r)
		})
	}
	return refusing(mux)
}

// answer checks who asks, and answers.
func (s *Server) answer(w http.ResponseWriter, req *http.Request, r *route) {
	err := s.allowed(req, r)
	if err == nil {
		err = r.check(req)
	}
	if r.body != nil {
		late := context.AfterFunc(s.alive, func() { // what has not come by the end is not waited for
			_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		})
		defer late()
	}
	if err == nil {
		err = r.serve(s, w, req)
	}
	if err == nil {
		return
	}
	var p *problem
	if !errors.As(err, &p) {
		p = &problem{http.StatusInternalServerError, err.Error()}
	}
	_ = writeJSON(w, p.status, Problem{Error: p.text})
}

// allowed says whether the peer may do that.
func (s *Server) allowed(req *http.Request, r *route) error {
	peer, known := peerIn(req.Context())
	switch {
	case !known:
		return problemf(http.StatusForbidden, "it is not known who you are")
	case s.Access.Of(peer.UID) >= r.right:
		return nil
	case s.Access.Of(peer.UID) == Look:
		return problemf(http.StatusForbidden, "%s may look, and nothing else (control.allow_users)", peer)
	}
	return problemf(http.StatusForbidden, "%s may not use this socket (control.allow_users)", peer)
}

// check refuses a body that is too large, and a query that the route does not know: a misspelled one must not be ignored.
func (r *route) check(req *http.Request) error {
	values := req.URL.Query()
	if r.body != nil && req.ContentLength > maxBody {
		return problemf(http.StatusRequestEntityTooLarge, "a request has %d bytes at most", maxBody)
	}
	for name, given := range values {
		p := r.parameter(name)
		switch {
		case p == nil:
			return problemf(http.StatusBadRequest, "unknown parameter %q", name)
		case !p.many && len(given) > 1:
			return problemf(http.StatusBadRequest, "%s is given more than once", name)
		}
		for _, value := range given {
			if err := p.check(value); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *route) parameter(name string) *parameter {
	for i := range r.query {
		if r.query[i].name == name {
			return &r.query[i]
		}
	}
	return nil
}

func (p *parameter) check(value string) error {
	ok := true
	switch {
	case p.kind == "boolean":
		ok = value == "true" || value == "false"
	case p.kind == "integer":
		ok = value != "" && len(value) < 10 && strings.Trim(value, "0123456789") == ""
	case len(p.words) > 0:
		ok = false
		for _, word := range p.words {
			ok = ok || word == value
		}
	}
	if !ok {
		return problemf(http.StatusBadRequest, "%s: unknown value %q", p.name, value)
	}
	return nil
}

// refusing answers what no route is for as everything else is answered.
func refusing(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, pattern := mux.Handler(req); pattern != "" {
			mux.ServeHTTP(w, req)
			return
		}
		allow := allowedMethods(mux, req)
		if allow == "" {
			_ = writeJSON(w, http.StatusNotFound, Problem{Error: fmt.Sprintf("there is no %s (see /v1/openapi.json)", req.URL.Path)})
			return
		}
		w.Header().Set("Allow", allow)
		_ = writeJSON(w, http.StatusMethodNotAllowed, Problem{Error: fmt.Sprintf("%s is for %s only", req.URL.Path, allow)})
	})
}

// allowedMethods lists with which methods there is such a path.
func allowedMethods(mux *http.ServeMux, req *http.Request) string {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		other := &http.Request{Method: method, URL: req.URL, Host: req.Host}
		if _, pattern := mux.Handler(other); pattern != "" {
			allow = append(allow, method)
		}
	}
	return strings.Join(allow, ", ")
}

// readJSON takes the body of a request.
func readJSON(req *http.Request, into any) error {
	dec := json.NewDecoder(req.Body)
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind it")
		}
	}
	var large *http.MaxBytesError
	switch {
	case err == nil, errors.Is(err, io.EOF):
		return nil
	case errors.As(err, &large):
		return problemf(http.StatusRequestEntityTooLarge, "a request has %d bytes at most", large.Limit)
	}
	return problemf(http.StatusBadRequest, "cannot read the request: %v", err)
}

func writeJSON(w http.ResponseWriter, status int, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err = w.Write(append(text, '\n'))
	return err
}
