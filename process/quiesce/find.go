package quiesce

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lastout/process/sockdiag"
)

// Problem says what of somebody's listeners cannot be had, and why.
type Problem struct {
	PID  int    // 0 where it is about all of them
	What string // the listener's address, or empty where it is about the whole process
	Err  error
}

func (p Problem) Error() string {
	switch {
	case p.PID == 0:
		return p.Err.Error()
	case p.What == "":
		return fmt.Sprintf("cannot see the listeners of pid %d: %v", p.PID, p.Err)
	default:
		return fmt.Sprintf("cannot duplicate %s of pid %d: %v", p.What, p.PID, p.Err)
	}
}

func (p Problem) Unwrap() error { return p.Err }

// Listeners finds where some processes listen and duplicates their sockets (pidfd_getfd(2)): a Listener for each
// address, with one duplicate for each socket however many processes share it. It is called again after forks, with the
// listeners known before: those take what is new at their address, and turn connections away from it too where they do,
// and only new addresses are returned. Who is gone meanwhile is no problem.
//
// A listener that cannot be duplicated is returned all the same, beside its problem, for a sentinel may do.
func Listeners(pids []int, known ...*Listener) ([]*Listener, []Problem) {
	f, err := newFinder(known)
	if err != nil {
		return nil, []Problem{{Err: err}}
	}
	for _, pid := range pids {
		f.look(pid, f.search)
	}
	return f.sort()
}

// Place is a descriptor of a process, of a socket that is known to listen.
type Place struct {
	PID   int
	FD    int
	Inode uint64
}

// At is Listeners for who knows already which descriptors listen: to find them costs a call for each that there is.
func At(places []Place, known ...*Listener) ([]*Listener, []Problem) {
	f, err := newFinder(known)
	if err != nil {
		return nil, []Problem{{Err: err}}
	}
	for len(places) > 0 {
		pid := places[0].PID
		n := slices.IndexFunc(places, func(p Place) bool { return p.PID != pid })
		if n < 0 {
			n = len(places)
		}
		f.look(pid, func(int) error { return f.takeAll(pid, places[:n]) })
		places = places[n:]
	}
	return f.sort()
}

func newFinder(known []*Listener) (*finder, error) {
	rows, err := listening()
	if err != nil {
		return nil, err
	}
	f := finder{rows: make(map[uint64]row), found: make(map[uint64]*finding)}
	for _, r := range rows {
		f.rows[r.inode] = r
	}
	f.before = slices.DeleteFunc(slices.Clone(known), (*Listener).isClosed)
	for _, l := range f.before {
		l.mu.Lock()
		for _, s := range l.sockets {
			f.found[s.inode] = &finding{socket: s, known: true}
		}
		l.mu.Unlock()
	}
	return &f, nil
}

// look takes what a process has. Who is gone is no problem.
func (f *finder) look(pid int, take func(pid int) error) {
	if err := take(pid); err != nil && !errors.Is(err, unix.ESRCH) && !os.IsNotExist(err) {
		f.problems = append(f.problems, Problem{PID: pid, Err: err})
	}
}

type finder struct {
	before   []*Listener // known before, and not closed
	rows     map[uint64]row
	found    map[uint64]*finding
	order    []uint64
	problems []Problem
}

// finding is a socket that somebody listens at, with the place where it is had.
type finding struct {
	socket *socket
	known  bool
	pid    int
	err    error
}

// search takes the listening sockets of one process.
func (f *finder) search(pid int) error {
	if err := sockdiag.NoProc(); err != nil {
		return fmt.Errorf("cannot see its listeners: %w", err)
	}
	dir := "/proc/" + strconv.Itoa(pid)
	if own, err := os.Readlink("/proc/self/ns/net"); err == nil {
		if its, err := os.Readlink(dir + "/ns/net"); err == nil && its != own {
			return ErrNamespace
		}
	}
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return err
	}
	var places []Place
	for _, e := range fds {
		ino, ok := socketInode(dir + "/fd/" + e.Name())
		if _, listens := f.rows[ino]; !ok || !listens {
			continue
		}
		if fd, err := strconv.Atoi(e.Name()); err == nil {
			places = append(places, Place{PID: pid, FD: fd, Inode: ino})
		}
	}
	return f.takeAll(pid, places)
}

// takeAll takes some sockets of one process, as far as they still listen.
func (f *finder) takeAll(pid int, places []Place) error {
	if len(places) == 0 {
		return nil
	}
	pidfd, err := sockdiag.OpenProcess(pid)
	if err != nil {
		return explain("pidfd_open", err, duplicateWords)
	}
	defer unix.Close(pidfd)
	for _, p := range places {
		if r, listens := f.rows[p.Inode]; listens {
			f.take(pid, pidfd, p.FD, r)
		}
	}
	return nil
}

// socketInode reads what a link of /proc/PID/fd points at, socket:[NUMBER] for a socket (proc_pid_fd(5)).
func socketInode(link string) (uint64, bool) {
	to, err := os.Readlink(link)
	if err != nil {
		return 0, false
	}
	s, ok := strings.CutPrefix(to, "socket:[")
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return n, err == nil
}

// take notes who has a socket, and duplicates it if nobody before him let us.
func (f *finder) take(pid, pidfd, fd int, r row) {
	x := f.found[r.inode]
	if x == nil {
		x = &finding{socket: &socket{inode: r.inode, uid: r.uid, fd: -1, row: r}, pid: pid}
		f.found[r.inode] = x
		f.order = append(f.order, r.inode)
	}
	if x.known { // it is somebody else's, who may look for others at this moment
		return
	}
	if !slices.Contains(x.socket.pids, pid) {
		x.socket.pids = append(x.socket.pids, pid)
	}
	if x.socket.fd >= 0 {
		return
	}
	dup, err := duplicate(pidfd, fd, r.inode)
	if err != nil {
		x.err = err
		return
	}
	x.socket.fd, x.err = dup, nil
}

var duplicateWords = map[unix.Errno]string{
	unix.EPERM:  "it needs the same user or CAP_SYS_PTRACE, and a seccomp profile that allows it",
	unix.EACCES: "it needs the same user or CAP_SYS_PTRACE",
	unix.ENOSYS: "the kernel is older than 5.6, or a seccomp profile hides it",
}

// errOther says that the descriptor became another one meanwhile.
var errOther = errors.New("the descriptor is another one now")

// duplicate takes a descriptor of another process, which may have closed it and used its number again.
func duplicate(pidfd, fd int, ino uint64) (int, error) {
	dup, err := unix.PidfdGetfd(pidfd, fd, 0)
	if err != nil {
		return -1, explain("pidfd_getfd", err, duplicateWords)
	}
	got, _, err := inode(dup)
	if err == nil && got != ino {
		err = errOther
	}
	if err != nil {
		unix.Close(dup)
		return -1, err
	}
	return dup, nil
}

// sort puts what was found to the listeners that are known, and makes new ones of the rest.
func (f *finder) sort() ([]*Listener, []Problem) {
	var out []*Listener
	for _, ino := range f.order {
		x := f.found[ino]
		if errors.Is(x.err, errOther) || errors.Is(x.err, unix.ESRCH) || errors.Is(x.err, unix.EBADF) {
			continue // gone while we looked
		}
		a, err := x.socket.describe()
		if errors.Is(err, errNoListener) {
			x.socket.close()
			continue
		}
		if err != nil {
			f.problems = append(f.problems, Problem{PID: x.pid, What: a.String(), Err: err})
			x.socket.close()
			continue
		}
		if x.err != nil {
			x.socket.refused = x.err
			f.problems = append(f.problems, Problem{PID: x.pid, What: a.String(), Err: x.err})
		}
		l := at(a, f.before, out)
		if l == nil {
			l = &Listener{address: a}
			out = append(out, l)
		}
		if err := l.adopt(x.socket); err != nil {
			f.problems = append(f.problems, Problem{PID: x.pid, What: a.String(), Err: err})
		}
	}
	return out, f.problems
}

func at(a address, lists ...[]*Listener) *Listener {
	for _, list := range lists {
		for _, l := range list {
			if l.address == a {
				return l
			}
		}
	}
	return nil
}

// address is where somebody listens, as far as the kernel tells one group of listeners from another by it.
type address struct {
	domain int
	addr   netip.AddrPort
	path   string // of a unix socket
	v6only bool
	device string // SO_BINDTODEVICE
	blind  bool   // nothing but the address is known, for there is no duplicate
}

func (a address) String() string {
	switch {
	case a.domain == unix.AF_UNIX:
		return "unix " + a.path
	case a.device != "":
		return "tcp " + a.addr.String() + " on " + a.device
	default:
		return "tcp " + a.addr.String()
	}
}
