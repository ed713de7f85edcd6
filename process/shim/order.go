package shim

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// Order is what a shim does.
type Order struct {
	Path   string   // the program, as execve(2) takes it
	Argv   []string //
	Env    []string // whole
	OwnPID []string // names of variables that are set to the program's own pid, each in place of one in Env
	Around *Circumstances

	DeathSignal int // armed already, and lost where the user changes; 0: none
}

// The words that an order is written in: each stands before a value, and "\x00", which no value has, behind it.
const (
	wordPath   = "path="
	wordArg    = "arg="
	wordEnv    = "env="
	wordOwnPID = "own-pid="
	wordDeath  = "death="
)

func (o *Order) String() string {
	var b strings.Builder
	write := func(word string, values ...string) {
		for _, v := range values {
			b.WriteString(word)
			b.WriteString(v)
			b.WriteByte(0)
		}
	}
	write(wordPath, o.Path)
	write(wordArg, o.Argv...)
	write(wordEnv, o.Env...)
	write(wordOwnPID, o.OwnPID...)
	if o.DeathSignal != 0 {
		write(wordDeath, decimal(o.DeathSignal))
	}
	o.Around.words(write)
	return b.String()
}

// parse is the other way round. An order with a word that is not known is none: it was written by another version.
func parse(text string) (*Order, bool) {
	o := &Order{Around: &Circumstances{}}
	for text != "" {
		item, rest, ok := strings.Cut(text, "\x00")
		if !ok {
			return nil, false
		}
		text = rest
		word, value, _ := strings.Cut(item, "=")
		switch word + "=" {
		case wordPath:
			o.Path = value
		case wordArg:
			o.Argv = append(o.Argv, value)
		case wordEnv:
			o.Env = append(o.Env, value)
		case wordOwnPID:
			o.OwnPID = append(o.OwnPID, value)
		case wordDeath:
			if !number(value, &o.DeathSignal) {
				return nil, false
			}
		default:
			if !o.Around.read(word+"=", value) {
				return nil, false
			}
		}
	}
	return o, true
}

// file writes the order to a memory file.
func (o *Order) file() (*os.File, error) {
	fd, err := unix.MemfdCreate("lastout-order", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("cannot make a memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), "order")
	if _, err := f.WriteString(o.String()); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot write a memory file: %w", err)
	}
	return f, nil
}
