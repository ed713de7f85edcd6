package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"lastout/supervisor/engine"
	"lastout/supervisor/image"
)

// An upgrade is proven before it is made: the candidate is started as a child, with the same arguments behind a verb of
// its own, and says of each state that it is sent whether it could go on with it. A program that does not know that verb
// does nothing.

const (
	// proofVerb stands before the arguments of a candidate.
	proofVerb = "prove-successor"

	// proofBound is how long a candidate may take for its begin and its first answer, while the tree is served.
	proofBound = 5 * time.Second

	// lastProofBound is how long it may take for its last one, while the tree is held.
	lastProofBound = 2 * time.Second

	// largestState bounds what a candidate takes in.
	largestState = 1 << 30
)

// testimony is the answer of a candidate.
type testimony struct {
	Version string `json:"version"`
	Fault   string `json:"fault,omitempty"`
}

// candidate is a binary that may take over.
type candidate struct {
	path   string
	was    os.FileInfo
	conn   net.Conn
	answer *bufio.Reader
	helper *engine.Helper
}

// newCandidate starts the binary to be proven.
func newCandidate(host *engine.Host, path string) (*candidate, error) {
	was, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot make a socket for it: %w", err)
	}
	ours, its := os.NewFile(uintptr(fds[0]), "candidate"), os.NewFile(uintptr(fds[1]), "candidate")
	defer ours.Close()
	conn, err := net.FileConn(ours)
	if err != nil {
		its.Close()
		return nil, fmt.Errorf("cannot make a socket for it: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	argv := append([]string{path, proofVerb}, os.Args[1:]...)
	c := &candidate{path: path, was: was, conn: conn, answer: bufio.NewReader(conn)}
	c.helper = host.StartHelper("lastout candidate", argv, dir, its)
	return c, nil
}

// prove has it read a state, and returns its version if it can go on with that.
func (c *candidate) prove(state []byte, bound time.Duration) (version string, err error) {
	_ = c.conn.SetDeadline(time.Now().Add(bound))
	text, err := c.ask(state)
	if err != nil {
		return "", c.silent(err, bound)
	}
	var v testimony
	if err := json.Unmarshal(text, &v); err != nil {
		return "", fmt.Errorf("%s answers in another way than a lastout", c.path)
	}
	if v.Fault != "" {
		return v.Version, fmt.Errorf("%s (%s) cannot take over: %s", c.path, v.Version, v.Fault)
	}
	return v.Version, nil
}

func (c *candidate) ask(state []byte) ([]byte, error) {
	if _, err := c.conn.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(state)))); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(state); err != nil {
		return nil, err
	}
	return c.answer.ReadSlice('\n')
}

// silent says why there is no answer.
func (c *candidate) silent(err error, bound time.Duration) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("%s did not answer within %v", c.path, bound)
	}
	timer := time.NewTimer(bound)
	defer timer.Stop()
	select {
	case ended := <-c.helper.Ended():
		if ended == nil {
			ended = errors.New("exit code 0")
		}
		return fmt.Errorf("%s is no lastout that could take over: it ended without an answer (%w)", c.path, ended)
	case <-timer.C: // it cannot be heard of while the tree is held
		return fmt.Errorf("%s closed its connection without an answer", c.path)
	}
}

// same says whether what stands at its path is what was proven.
func (c *candidate) same() error {
	is, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	if !os.SameFile(is, c.was) || is.Size() != c.was.Size() || !is.ModTime().Equal(c.was.ModTime()) {
		return fmt.Errorf("%s has changed since it was proven", c.path)
	}
	return nil
}

// close ends it.
func (c *candidate) close() {
	c.conn.Close()
	c.helper.Kill()
}

// beProven is the candidate's side: it answers for each state it is sent. Its arguments have been understood already.
func (p *program) beProven(*cli.Context) error {
	conn := p.proof
	defer conn.Close()
	name, _ := buildVersion()
	for {
		state, err := readFrame(conn)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		v := testimony{Version: name}
		if err := mayTakeOver(state); err != nil {
			v.Fault = err.Error()
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if _, err := conn.Write(append(text, '\n')); err != nil {
			return err
		}
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(head[:])
	if size > largestState {
		return nil, fmt.Errorf("a state of %d bytes", size)
	}
	state := make([]byte, size)
	_, err := io.ReadFull(r, state)
	return state, err
}

// mayTakeOver says whether this build could go on with a state.
func mayTakeOver(state []byte) error {
	var k estate
	if err := image.Decode(estateFormat, state, &k); err != nil {
		return err
	}
	return k.check()
}
