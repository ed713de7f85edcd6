package control

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"lastout/supervisor"
)

// healthMux is what is shown over TCP: nothing there changes anything, whatever is sent.
func (s *Server) healthMux() http.Handler {
	mux := http.NewServeMux()
	for _, r := range routes() {
		if !shown[r.path] {
			continue
		}
		mux.HandleFunc(http.MethodGet+" "+r.path, func(w http.ResponseWriter, req *http.Request) {
			if err := r.serve(s, w, req); err != nil {
				http.Error(w, err.Error(), http.StatusServiceUnavailable)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !hostAllowed(req.Host) {
			http.Error(w, fmt.Sprintf("the host %q is none of this machine's: ask by its address", req.Host), http.StatusMisdirectedRequest)
			return
		}
		mux.ServeHTTP(w, req)
	})
}

// shown are the paths of the control plane that are shown over TCP.
var shown = map[string]bool{"/livez": true, "/readyz": true, "/metrics": true}

// hostAllowed says whether a Host header is one that a page in somebody's browser cannot have been given by its own name
// server (DNS rebinding): an address, this machine's name, a name without a dot, or one of a domain that is never public
// (RFC 6761, RFC 6762, and ICANN's .internal).
func hostAllowed(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	if host == "" {
		return false
	}
	if own, err := os.Hostname(); err == nil && host == strings.ToLower(own) || !strings.Contains(host, ".") {
		return true
	}
	for _, domain := range []string{".localhost", ".local", ".internal", ".svc", ".home.arpa"} {
		if strings.HasSuffix(host, domain) {
			return true
		}
	}
	return false
}

// livez says that the loop goes round.
func (s *Server) livez(w http.ResponseWriter, req *http.Request) error {
	if _, err := s.snapshot(req.Context()); err != nil {
		return err
	}
	return plain(w, http.StatusOK, "ok\n")
}

// readyz is not so from the first moment of a shutdown on.
func (s *Server) readyz(w http.ResponseWriter, req *http.Request) error {
	snapshot, err := s.snapshot(req.Context())
	if err != nil {
		return err
	}
	if treeReady(snapshot) {
		return plain(w, http.StatusOK, "ok\n")
	}
	return plain(w, http.StatusServiceUnavailable, unreadyText(snapshot))
}

// unreadyText says why the tree is not ready.
func unreadyText(s supervisor.Snapshot) string {
	if s.Phase != supervisor.Up {
		return "a shutdown is under way\n"
	}
	var b strings.Builder
	b.WriteString("not ready:\n")
	for i := range s.Instances {
		if x := &s.Instances[i]; matters(x) && !instanceReady(x) {
			fmt.Fprintf(&b, "%s is %s\n", x.Name, x.State)
		}
	}
	return b.String()
}

func plain(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, err := io.WriteString(w, text)
	return err
}
