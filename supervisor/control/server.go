package control

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// The bounds of a server.
const (
	maxConnections = 128
	maxFollowers   = 32 // of these, requests whose answer takes as long as it takes
	maxHead        = 16 << 10
	maxBody        = 64 << 10
	headBound      = 5 * time.Second  // for the head of a request to come
	requestBound   = 10 * time.Second // for the whole of it
	answerBound    = 10 * time.Second // for an answer, or for the next part of one, to be taken
	idleBound      = time.Minute      // between two requests
	loopBound      = 5 * time.Second  // for the loop to answer
)

// Options is what a Server is made with.
type Options struct {
	System   System
	Recorder *Recorder
	Access   Access
	Complain func(string) // hears of what went wrong inside
}

// Server serves the control plane of one tree.
type Server struct {
	Options
	followers chan struct{} // a place for each
	crowd     *crowd
	socket    *http.Server
	health    *http.Server
	alive     context.Context // ends when the server is to be quiet
	end       context.CancelFunc
	doors     []net.Listener
	serving   sync.WaitGroup
}

// NewServer makes a server that serves nobody yet.
func NewServer(o Options) *Server {
	s := &Server{Options: o, followers: make(chan struct{}, maxFollowers), crowd: newCrowd(maxConnections)}
	s.alive, s.end = context.WithCancel(context.Background())
	s.socket = s.listener(s.mux(), withPeer)
	s.health = s.listener(s.healthMux(), nil)
	return s
}

func (s *Server) listener(h http.Handler, withConn func(context.Context, net.Conn) context.Context) *http.Server {
	return &http.Server{
		Handler:           http.MaxBytesHandler(h, maxBody),
		ReadHeaderTimeout: headBound,
		ReadTimeout:       requestBound,
		WriteTimeout:      answerBound,
		IdleTimeout:       idleBound,
		MaxHeaderBytes:    maxHead,
		ConnContext:       withConn,
		ConnState:         s.crowd.changed,
		ErrorLog:          log.New(complaint(s.Complain), "", 0),
	}
}

// complaint is a log for http.Server.
type complaint func(string)

func (c complaint) Write(p []byte) (int, error) {
	if c != nil {
		c("control: " + string(p))
	}
	return len(p), nil
}

// Serve serves the control socket, until Close. It returns at once.
func (s *Server) Serve(l net.Listener) { s.serve(s.socket, l) }

// ServeHealth serves health and metrics to whoever comes, until Close. It returns at once.
func (s *Server) ServeHealth(l net.Listener) { s.serve(s.health, l) }

func (s *Server) serve(h *http.Server, l net.Listener) {
	s.doors = append(s.doors, l)
	s.serving.Go(func() {
		if err := h.Serve(l); s.alive.Err() == nil {
			_, _ = complaint(s.Complain).Write([]byte(err.Error()))
		}
	})
}

// Close serves nobody any more. Who has not sent his whole request is cut off; those who are being answered, and those who
// follow, get what there is within the bound, and then everybody is cut off.
func (s *Server) Close(bound time.Duration) {
	s.end()
	for _, door := range s.doors {
		door.Close()
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-s.crowd.close():
	case <-timer.C:
	}
	_ = errors.Join(s.socket.Close(), s.health.Close()) // whoever is left is not waited for
	s.serving.Wait()
}
