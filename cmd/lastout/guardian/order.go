package guardian

import (
	"strconv"
	"syscall"
)

const (
	// stageVariable makes `lastout run` a guardian.
	stageVariable = "LASTOUT_GUARDIAN"
	// MasterVariable tells a master the descriptor of its guardian's socket, and whether that is PID 1.
	MasterVariable = "LASTOUT_GUARDED"
	// RegisterVariable tells it that of the register's memory file.
	RegisterVariable = "LASTOUT_REGISTER"
)

// The words of a master, each a message of one byte and what follows it.
const (
	wordBinary = 'b' // and a path: which it is now
	wordDone   = 'd' // its end is no accident
	wordNotify = 'n' // and a text for the service manager
)

// Order is what a guardian is told by who executes it.
type Order struct {
	Take    []syscall.Signal // those that are meant for the program
	Pending []syscall.Signal // those that have come

	Register int // the descriptor of an empty memory file, in which the master notes whom it has started
	Came     int // that of the signals that came while it was executed
	Binary   string
}

// Variable is the entry of the environment that makes it one.
func (o Order) Variable() string {
	return stageVariable + "=" + numbers(o.Take) + ";" + numbers(o.Pending) + ";" + strconv.Itoa(o.Register) + ";" +
		strconv.Itoa(o.Came) + ";" + o.Binary
}

func numbers(signals []syscall.Signal) (text string) {
	for _, s := range signals {
		text += strconv.Itoa(int(s)) + ","
	}
	return text
}

// parseOrder reads what Variable wrote; false: somebody else did.
func parseOrder(text string) (o Order, ok bool) {
	take, rest, _ := cut(text, ';')
	pending, rest, _ := cut(rest, ';')
	number, rest, _ := cut(rest, ';')
	came, binary, found := cut(rest, ';')
	var fine bool
	if o.Take, fine = signals(take); !found || !fine || len(o.Take) == 0 {
		return o, false
	}
	if o.Pending, fine = signals(pending); !fine {
		return o, false
	}
	o.Binary = binary
	var err error
	if o.Register, err = strconv.Atoi(number); err != nil {
		return o, false
	}
	o.Came, err = strconv.Atoi(came)
	return o, err == nil && binary != ""
}

func signals(text string) (all []syscall.Signal, ok bool) {
	for text != "" {
		number, rest, _ := cut(text, ',')
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 || n > 64 {
			return nil, false
		}
		all, text = append(all, syscall.Signal(n)), rest
	}
	return all, true
}

// cut is strings.Cut; package strings is initialised late.
func cut(s string, at byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == at {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Master is what a master is told.
type Master struct {
	FD    int
	First bool // the guardian is PID 1, and the master stands in for it
}

// ParseMaster reads the value of MasterVariable.
func ParseMaster(text string) (m Master, ok bool) {
	fd, place, _ := cut(text, ',')
	n, err := strconv.Atoi(fd)
	return Master{FD: n, First: place != ""}, err == nil && n > 2
}

// Variable is the entry of the environment that ParseMaster reads.
func (m Master) Variable() string {
	text := MasterVariable + "=" + strconv.Itoa(m.FD)
	if m.First {
		text += ",1"
	}
	return text
}

// Done is the message of a master whose end is no accident.
func Done() []byte { return []byte{wordDone} }

// Became is the message of a master that another binary has taken the place of.
func Became(binary string) []byte { return append([]byte{wordBinary}, binary...) }

// Notify is the message of a master that has something to say to the service manager, which hears the process only that
// it has started (NotifyAccess=main of systemd.service(5)).
func Notify(text string) []byte { return append([]byte{wordNotify}, text...) }
