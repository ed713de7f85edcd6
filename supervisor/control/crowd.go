package control

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

// crowd bounds how many connections a server has at once. Where one too many comes, the one that has waited for longest
// without a whole request goes; where all others are busy, the new one does.
type crowd struct {
	most int

	mu    sync.Mutex
	conns map[net.Conn]*list.Element // in waiting; nil: it is busy
	wait  list.List                  // of net.Conn, the longest first
	over  bool                       // nobody is to wait any more
	empty chan struct{}              // closed when that is so, and nobody is busy
}

func newCrowd(most int) *crowd {
	return &crowd{most: most, conns: map[net.Conn]*list.Element{}, empty: make(chan struct{})}
}

// changed is the server's hook. A connection counts as waiting until the head of its request is there.
func (c *crowd) changed(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, known := c.conns[conn]
	if at != nil {
		c.wait.Remove(at)
	}
	switch state {
	case http.StateNew:
		c.conns[conn] = c.wait.PushBack(conn)
		if len(c.conns) > c.most {
			c.dismiss()
		}
	case http.StateIdle:
		if known {
			c.conns[conn] = c.wait.PushBack(conn)
		}
	case http.StateActive:
		if known {
			c.conns[conn] = nil
		}
	case http.StateClosed, http.StateHijacked:
		delete(c.conns, conn)
	}
	c.disperse()
}

// dismiss closes the connection that has waited for longest. There is one: the new one waits too.
func (c *crowd) dismiss() {
	conn := c.wait.Remove(c.wait.Front()).(net.Conn)
	delete(c.conns, conn)
	conn.Close()
}

// close dismisses all that wait, now and from now on, and returns what is closed when nobody is left.
func (c *crowd) close() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.disperse()
	return c.empty
}

// disperse does so, once that is asked for.
func (c *crowd) disperse() {
	if !c.over {
		return
	}
	for c.wait.Len() > 0 {
		c.dismiss()
	}
	select {
	case <-c.empty:
	default:
		if len(c.conns) == 0 {
			close(c.empty)
		}
	}
}
