// Command child is a process for tests: it keeps a record of its own life, stamped with CLOCK_MONOTONIC, and leaves as
// slowly as it is told.
//
//	child -record FILE [-leave 50ms] [-life 10ms] [-code 3] [-ready 3] [-ignore] [-count 5ms] [-flood BYTES]
//
//	child mourn LASTOUT ARG...   is the parent of a lastout, and goes on as its rescue when that one is killed
//
// The record has a line for each event: "start PID NS", "term PID NS", "exit PID NS".
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var (
	record = flag.String("record", "", "file the record is appended to")
	leave  = flag.Duration("leave", 0, "how long it takes to leave after SIGTERM")
	life   = flag.Duration("life", 0, "leave by itself after this time; 0: never")
	code   = flag.Int("code", 0, "exit code when leaving by itself")
	ready  = flag.Int("ready", 0, "descriptor that gets a newline once it is up")
	ignore = flag.Bool("ignore", false, "ignore SIGTERM")
	count  = flag.Duration("count", 0, "write a numbered line to stdout every so often, and the last with the end; 0: none")
	flood  = flag.Int64("flood", 0, "write this many bytes of lines to stdout, then leave")
)

func main() {
	term := make(chan os.Signal, 16)
	signal.Notify(term, syscall.SIGTERM)
	flag.Parse()
	if flag.Arg(0) == "mourn" {
		fmt.Fprintln(os.Stderr, mourn(flag.Args()[1:]))
		os.Exit(97)
	}
	note("start")
	if *ready > 0 {
		syscall.Write(*ready, []byte("\n"))
		syscall.Close(*ready)
	}
	if *flood > 0 {
		write(*flood)
		os.Exit(*code)
	}
	var end <-chan time.Time
	if *life > 0 {
		end = time.After(*life)
	}
	var next <-chan time.Time
	if *count > 0 {
		next = time.NewTicker(*count).C
	}
	for n := 1; ; {
		select {
		case <-next:
			fmt.Printf("number %d\n", n)
			n++
		case <-term:
			note("term")
			if *ignore {
				continue
			}
			if *count > 0 {
				fmt.Printf("last %d\n", n-1)
			}
			<-time.After(*leave)
			note("exit")
			os.Exit(0)
		case <-end:
			note("exit")
			os.Exit(*code)
		}
	}
}

// note appends one event with one write, so that lines of several processes never mix.
func note(event string) {
	if *record == "" {
		return
	}
	f, err := os.OpenFile(*record, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		panic(err)
	}
	fmt.Fprintf(f, "%s %d %d\n", event, os.Getpid(), now.Nano())
	f.Close()
}

// write floods stdout with 100-byte lines.
func write(n int64) {
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	block := bytes.Repeat(line, 655)
	for n > 0 {
		k := min(int64(len(block)), n)
		if _, err := os.Stdout.Write(block[:k]); err != nil {
			os.Exit(98)
		}
		n -= k
	}
}
