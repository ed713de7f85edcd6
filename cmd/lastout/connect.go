package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"lastout/supervisor/config"
	"lastout/supervisor/control"
)

func socketFlag() cli.Flag {
	return fileFlag("socket", "the control socket of the tree, instead of that of its configuration")
}

// reachFlags lead to a running tree.
func reachFlags(more ...cli.Flag) []cli.Flag {
	return append([]cli.Flag{configFlag(), socketFlag()}, more...)
}

// noMaster says that nobody answers, and where that was tried.
type noMaster struct {
	who    string // "the tree \"shop\""
	tried  []attempt
	advice string
}

type attempt struct {
	path string
	err  error
}

func (e *noMaster) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "no lastout answers for %s", e.who)
	for _, a := range e.tried {
		fmt.Fprintf(&b, "\n  %s: %s", a.path, whyNot(a.err))
	}
	if e.advice != "" {
		b.WriteString("\n" + e.advice)
	}
	return b.String()
}

// denied says that there is somebody, who may not be asked.
func (e *noMaster) denied() bool {
	for _, a := range e.tried {
		if errors.Is(a.err, fs.ErrPermission) {
			return true
		}
	}
	return false
}

// whyNot is why a socket cannot be reached.
func whyNot(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such socket"
	case errors.Is(err, unix.ECONNREFUSED):
		return "nobody listens there any more: its lastout has died"
	case errors.Is(err, fs.ErrPermission):
		return "it is another user's"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "somebody listens there, and does not answer"
	}
	return err.Error()
}

// connectBound is how long a lastout may take to answer who it is.
const connectBound = 5 * time.Second

// connect finds the lastout that the flags lead to.
func connect(c *cli.Context) (*control.Client, *control.About, error) {
	if path := c.String("socket"); path != "" {
		return firstOf("the socket that --socket names", []string{path},
			"Is it running, and is that its socket? It is control.socket of its configuration.")
	}
	file := c.String("config")
	at, err := config.Locate(file, os.Environ())
	switch {
	case err != nil && !c.IsSet("config") && missing(file):
		return theOnlyOne(file)
	case err != nil:
		return nil, nil, err
	}
	who := fmt.Sprintf("the tree %q (%s)", at.Name, file)
	switch at.Socket {
	case config.NoSocket:
		return nil, nil, fmt.Errorf("%s has no control socket: control.socket is \"off\" in %s", who, file)
	case "":
		return firstOf(who, control.Places(at.Name, os.Getuid(), os.Getenv),
			"Is it running (lastout run -c "+file+")? Where another user runs it, --socket names its socket.")
	}
	return firstOf(who, []string{at.Socket}, "Is it running (lastout run -c "+file+")?")
}

func missing(file string) bool {
	_, err := os.Stat(file)
	return errors.Is(err, fs.ErrNotExist)
}

// firstOf connects to the first socket that answers.
func firstOf(who string, paths []string, advice string) (*control.Client, *control.About, error) {
	failed := &noMaster{who: who, advice: advice}
	for _, path := range paths {
		client, about, err := answering(path)
		if err == nil {
			return client, about, nil
		}
		var refused *control.Refused
		if errors.As(err, &refused) {
			return nil, nil, err
		}
		failed.tried = append(failed.tried, attempt{path, err})
	}
	return nil, nil, failed
}

func answering(path string) (*control.Client, *control.About, error) {
	ctx, cancel := context.WithTimeout(context.Background(), connectBound)
	defer cancel()
	client := control.NewClient(path)
	about, err := client.About(ctx)
	return client, about, err
}

// theOnlyOne is for who is asked without any configuration, as in a container: where one tree of this user runs, that is
// meant. Of the places where sockets are, the first one with a tree that lives counts.
func theOnlyOne(file string) (*control.Client, *control.About, error) {
	for _, pattern := range control.Places("*", os.Getuid(), os.Getenv) {
		paths, _ := filepath.Glob(pattern)
		var client *control.Client
		var about *control.About
		var names []string
		for _, path := range paths {
			if c, a, err := answering(path); err == nil {
				client, about, names = c, a, append(names, fmt.Sprintf("%s (%s)", a.Name, path))
			}
		}
		switch len(names) {
		case 0:
		case 1:
			return client, about, nil
		default:
			return nil, nil, fmt.Errorf("there is no %s here, and several trees run: %s (-c FILE or --socket PATH names one)",
				file, strings.Join(names, ", "))
		}
	}
	return nil, nil, &noMaster{
		who: "you: there is no " + file + " here, and no tree of yours runs", advice: "-c FILE names a configuration, --socket PATH a socket.",
	}
}

// interruptible is the life of a verb that may take long: Ctrl-C ends it, and nothing of the tree.
func interruptible() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
}

// goneAway says that a connection ended because lastout did.
func goneAway(err error) bool {
	return errors.Is(err, unix.ECONNREFUSED) || errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) ||
		errors.Is(err, fs.ErrNotExist) || err != nil && strings.HasSuffix(err.Error(), "EOF")
}

// errGone says so to people.
var errGone = errors.New("lastout has ended meanwhile")

// plainly is an error as people want to read it.
func plainly(err error) error {
	if goneAway(err) {
		return errGone
	}
	return err
}
