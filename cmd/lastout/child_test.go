package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is the process that scripts put under lastout. It keeps a record of its own life, one line for each event,
// stamped with CLOCK_MONOTONIC: "NS NAME start", "NS NAME term", "NS NAME exit". What scripts assert comes from there,
// and not from what lastout says of itself. Asked by NOTIFY_SOCKET it says that it is ready: its handlers are in then.
func child() {
	c := childOptions{}
	c.flags()
	if c.now {
		fmt.Println(monotonic())
		return
	}
	told := make(chan os.Signal, 64)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGUSR1)
	c.note("start")
	if c.greet != "" {
		fmt.Println(c.greet)
	}
	switch {
	case c.daemon:
		c.daemonise()
	case c.heir != "":
		c.leaveBehind()
	}
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		if err := notifyReady(socket); err != nil {
			c.note("unready " + err.Error())
		}
	}
	if c.freeze {
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	}
	var end <-chan time.Time
	if c.life > 0 {
		end = time.After(c.life)
	}
	for {
		select {
		case sig := <-told:
			c.told(sig.(syscall.Signal))
		case <-end:
			c.exit(c.code)
		}
	}
}

// childOptions are the flags of child.
type childOptions struct {
	log, name, heir, census string
	greet                   string
	leave, life             time.Duration
	code, flood             int
	ignore, daemon, freeze  bool
	now                     bool
}

func (c *childOptions) flags() {
	flag.StringVar(&c.log, "log", "", "the record is appended to this file")
	flag.StringVar(&c.name, "name", os.Getenv("LASTOUT_PROCESS"), "its name in the record")
	flag.DurationVar(&c.leave, "leave", 0, "take this long to leave when told")
	flag.DurationVar(&c.life, "life", 0, "leave unasked after this time")
	flag.IntVar(&c.code, "code", 0, "exit code")
	flag.IntVar(&c.flood, "flood", 0, "write this many lines when told to leave")
	flag.BoolVar(&c.ignore, "ignore", false, "ignore whatever can be ignored")
	flag.BoolVar(&c.daemon, "daemon", false, "become a daemon: go to another session, twice orphaned")
	flag.BoolVar(&c.freeze, "freeze", false, "stop itself, as SIGSTOP does")
	flag.StringVar(&c.heir, "heir", "", "leave this child behind: its flags, by commas; +session: in a session of its own")
	flag.StringVar(&c.census, "census", "", "when told to leave, write here how many zombies there are")
	flag.StringVar(&c.greet, "greet", "", "print this at the start")
	flag.BoolVar(&c.now, "now", false, "print CLOCK_MONOTONIC and leave: for hooks that are shells")
	flag.Parse()
}

func (c *childOptions) told(sig syscall.Signal) {
	c.note(map[syscall.Signal]string{
		syscall.SIGTERM: "term", syscall.SIGINT: "int", syscall.SIGQUIT: "quit", syscall.SIGUSR1: "usr1",
	}[sig])
	if c.ignore {
		return
	}
	if c.census != "" {
		os.WriteFile(c.census, []byte(fmt.Sprintf("zombies %d\n", zombies())), 0o644)
	}
	for i := range c.flood {
		fmt.Printf("%s last words %d\n", c.name, i+1)
	}
	<-time.After(c.leave)
	c.exit(c.code)
}

func (c *childOptions) exit(code int) {
	c.note("exit")
	os.Exit(code)
}

// note appends one line with one write, so that the lines of several processes never mix.
func (c *childOptions) note(event string) {
	if c.log == "" {
		return
	}
	f, err := os.OpenFile(c.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %s %s\n", monotonic(), c.name, event)
}

// daemonise starts itself again in a session of its own and ends, twice, so that nobody of the old family is left.
func (c *childOptions) daemonise() {
	generation, _ := strconv.Atoi(os.Getenv("CHILD_GENERATION"))
	if generation == 2 {
		c.note("daemon")
		return
	}
	cmd := c.again(os.Args[1:])
	cmd.Env = append(os.Environ(), "CHILD_GENERATION="+strconv.Itoa(generation+1))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	c.start(cmd)
	c.exit(0)
}

// leaveBehind starts a child of its own, which stays when it leaves.
func (c *childOptions) leaveBehind() {
	list, session := strings.CutSuffix(c.heir, "+session")
	cmd := c.again(strings.Split(list, ","))
	cmd.Stdout = os.Stdout // it holds the pipe
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: session}
	c.start(cmd)
}

func (c *childOptions) again(args []string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return exec.Command(self, args...)
}

func (c *childOptions) start(cmd *exec.Cmd) {
	if err := cmd.Start(); err != nil {
		c.note("failed " + err.Error())
		os.Exit(98)
	}
}

// zombies counts the processes of this PID namespace that nobody reaped.
func zombies() int {
	n := 0
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if _, state, ok := bytes.Cut(text, []byte(") ")); ok && state[0] == 'Z' {
			n++
		}
	}
	return n
}
