package demo

import (
	"net"
	"sync"
)

// turnstile lets so many connections in at once; the others wait in the listener's queue. That is what servers with a
// fixed number of worker processes or threads do. Whoever waits there when the listener is closed is reset.
type turnstile struct {
	net.Listener
	places chan struct{}
	closed chan struct{}
	once   sync.Once
}

func newTurnstile(l net.Listener, places int) *turnstile {
	return &turnstile{Listener: l, places: make(chan struct{}, places), closed: make(chan struct{})}
}

// Accept waits for a place, then for somebody who takes it.
func (t *turnstile) Accept() (net.Conn, error) {
	select {
	case t.places <- struct{}{}:
	case <-t.closed:
		return nil, net.ErrClosed
	}
	c, err := t.Listener.Accept()
	if err != nil {
		<-t.places
		return nil, err
	}
	return &guest{Conn: c, leave: sync.OnceFunc(func() { <-t.places })}, nil
}

// Close closes the listener.
func (t *turnstile) Close() error {
	t.once.Do(func() { close(t.closed) })
	return t.Listener.Close()
}

// guest gives its place back when it is closed.
type guest struct {
	net.Conn
	leave func()
}

func (g *guest) Close() error {
	err := g.Conn.Close()
	g.leave()
	return err
}
