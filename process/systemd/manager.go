package systemd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"time"
)

// Manager is the service manager's ear.
type Manager struct {
	send func(text string) error
	fail func(error) // hears of the first failure

	mu     sync.Mutex
	queue  []Message
	failed bool
	closed bool
	wake   chan struct{} // holds a token whenever something was queued since the last look
	urgent chan struct{} // the same, of what shall not wait
	over   chan struct{} // closed when all is said, after Close
}

// Message is what there is to say; zero fields are left out.
type Message struct {
	Ready     bool          // READY=1: the start is over, or a reload is
	Reloading bool          // RELOADING=1, and MONOTONIC_USEC= with the time on that clock
	Monotonic time.Duration // of a Reloading
	Stopping  bool          // STOPPING=1
	Status    string        // STATUS=: a line for people
	Extend    time.Duration // EXTEND_TIMEOUT_USEC=: be patient for that long, from now on
	Watchdog  bool          // WATCHDOG=1: the loop lives
}

// patience bounds one datagram to a manager that does not read, pace is how often words for people are worth saying.
const (
	patience = 5 * time.Second
	pace     = 100 * time.Millisecond
)

// maxStatus is how much of a status is said; the manager takes 4 KiB in all.
const maxStatus = 1 << 10

// Open finds the service manager, by NOTIFY_SOCKET in the given environment. Where there is none it is nil, and all its
// methods do nothing. fail is called at most once, from another goroutine, when something could not be said.
func Open(getenv func(string) string, fail func(error)) (*Manager, error) {
	path := getenv("NOTIFY_SOCKET")
	switch {
	case path == "":
		return nil, nil
	case path[0] != '/' && path[0] != '@':
		return nil, fmt.Errorf("cannot notify the service manager: NOTIFY_SOCKET %q is no unix socket", path)
	}
	return start(func(text string) error { return sendTo(path, text) }, fail), nil
}

// OpenBy is Open for who is not heard by the manager itself: what there is to say goes through send, one datagram at a
// time.
func OpenBy(getenv func(string) string, send func(text string) error, fail func(error)) *Manager {
	if getenv("NOTIFY_SOCKET") == "" {
		return nil
	}
	return start(send, fail)
}

func start(send func(string) error, fail func(error)) *Manager {
	m := &Manager{
		send: send, fail: fail,
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1), over: make(chan struct{}),
	}
	go m.run()
	return m
}

// sendTo sends one datagram. Each has a connection of its own: the manager may have been started anew since the last.
func sendTo(path, text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unixgram", path)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(text))
	return err
}

// Tell has something said. It does not wait.
func (m *Manager) Tell(msg Message) {
	if m == nil || msg == (Message{}) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return
	}
	if n := len(m.queue); n > 0 && !msg.turns() {
		m.queue[n-1].join(msg)
	} else {
		m.queue = append(m.queue, msg)
	}
	if n := len(m.queue); n > maxQueue {
		m.queue = append(m.queue[:0], m.queue[n-maxQueue:]...)
	}
	put(m.wake)
	if msg.turns() || msg.Watchdog {
		put(m.urgent)
	}
}

// maxQueue bounds what a manager that does not read is owed. Only turns of the life are queued one by one; there are no
// more than these, but for reloads, of which the last ones matter.
const maxQueue = 8

// turns says whether the message is a turn of the life, which must be said after those before it.
func (msg *Message) turns() bool { return msg.Ready || msg.Reloading || msg.Stopping }

// join adds newer words.
func (msg *Message) join(newer Message) {
	if newer.Status != "" {
		msg.Status = newer.Status
	}
	if newer.Extend > 0 {
		msg.Extend = newer.Extend
	}
	msg.Watchdog = msg.Watchdog || newer.Watchdog
}

// run says what is queued, one datagram at a time.
func (m *Manager) run() {
	defer close(m.over)
	for range m.wake {
		take(m.urgent)
		m.sayAll()
		m.mu.Lock()
		closed := m.closed
		m.mu.Unlock()
		if closed {
			return
		}
		m.rest()
	}
}

// sayAll empties the queue, as far as the manager listens.
func (m *Manager) sayAll() {
	for {
		msg, more := m.next()
		if !more {
			return
		}
		if err := m.send(msg.text()); err != nil {
			m.trouble(msg, err)
			return
		}
	}
}

// rest lets a moment pass, so that words that change quickly are said together. What is urgent is not kept waiting.
func (m *Manager) rest() {
	timer := time.NewTimer(pace)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-m.urgent:
	}
}

// put leaves a token in a channel that has room for one.
func put(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // there is one already
	}
}

// take takes it away.
func take(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

func (m *Manager) next() (Message, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.queue) == 0 {
		m.queue = nil
		return Message{}, false
	}
	msg := m.queue[0]
	m.queue = m.queue[1:]
	return msg, true
}

// trouble keeps a turn of the life for the next occasion, and says once that something could not be said.
func (m *Manager) trouble(msg Message, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if msg.turns() && !m.closed {
		m.queue = append([]Message{msg}, m.queue...)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			put(m.wake) // that was a wait: once more
		}
	}
	if m.failed {
		return
	}
	m.failed = true
	var reason *net.OpError
	if errors.As(err, &reason) {
		err = reason.Err
	}
	go m.fail(fmt.Errorf("cannot notify the service manager: %w", err))
}

// Close says what is still queued, for bound at most, and nothing after that.
func (m *Manager) Close(bound time.Duration) {
	if m == nil {
		return
	}
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	put(m.wake)
	put(m.urgent)
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case <-m.over:
	case <-timer.C:
	}
}

// text is the datagram.
func (msg *Message) text() string {
	var lines []string
	flag := func(set bool, line string) {
		if set {
			lines = append(lines, line)
		}
	}
	flag(msg.Stopping, "STOPPING=1")
	flag(msg.Reloading, "RELOADING=1")
	flag(msg.Reloading, fmt.Sprintf("MONOTONIC_USEC=%d", msg.Monotonic.Microseconds()))
	flag(msg.Ready, "READY=1")
	flag(msg.Extend > 0, fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", msg.Extend.Microseconds()))
	flag(msg.Status != "", "STATUS="+oneLine(msg.Status))
	flag(msg.Watchdog, "WATCHDOG=1")
	return strings.Join(lines, "\n")
}

// oneLine keeps a status from being read as more than one line.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxStatus {
		s = strings.ToValidUTF8(s[:maxStatus], "")
	}
	return s
}
