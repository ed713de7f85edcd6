package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"lastout/process/cgroup"
)

// groups is our part of the cgroup v2 hierarchy (cgroups(7)): a folder below the cgroup we run in, and in it one per
// run, called NAME.RUN. It is used where the kernel grants it.
type groups struct {
	root   string         // the folder in the file system
	path   string         // the same as /proc/PID/cgroup tells it
	domain *cgroup.Domain // for the limits of runs
}

// newGroups makes the folder, or tells why there can be none.
func newGroups(proc *procfs, name string) (*groups, error) {
	own, path, err := ownGroup(proc)
	if err != nil {
		return nil, err
	}
	if err := writable(own); err != nil {
		return nil, err
	}
	base := fmt.Sprintf("lastout-%s-%d", name, proc.own)
	for n := 1; ; n++ {
		dir := base
		if n > 1 {
			dir += "-" + strconv.Itoa(n)
		}
		g := &groups{root: filepath.Join(own, dir), path: filepath.Join(path, dir)}
		g.domain = domainOf(proc, own, g.root, cgroup.State{})
		err := os.Mkdir(g.root, 0o755)
		if errors.Is(err, os.ErrExist) && n < 100 {
			if !populated(g.root) { // of a supervisor that had our pid, and not of one in another PID namespace
				removeLeft(proc, g.root)
			}
			if err = os.Mkdir(g.root, 0o755); errors.Is(err, os.ErrExist) {
				continue
			}
		}
		if err != nil {
			return nil, fmt.Errorf("cannot make a cgroup: %w", err)
		}
		if err := writable(g.root); err != nil {
			removeGroup(g.root)
			return nil, err
		}
		return g, nil
	}
}

// domainOf is for the limits of what is below our folder. Whoever is PID 1 may move all he sees; others themselves, and
// a parent stage of theirs.
func domainOf(proc *procfs, home, root string, state cgroup.State) *cgroup.Domain {
	d := cgroup.Open(home, root, state)
	d.Mine = func(pid int) bool {
		return proc.own == 1 || pid == proc.own || pid == os.Getppid() && proc.sameProgram(pid)
	}
	d.Hybrid = proc.onVersion1
	return d
}

// sameProgram says whether a process runs the same program as we do.
func (p *procfs) sameProgram(pid int) bool {
	var ours, its unix.Stat_t
	return unix.Fstatat(p.dir, "self/exe", &ours, 0) == nil && unix.Fstatat(p.dir, itoa(pid)+"/exe", &its, 0) == nil &&
		ours.Dev == its.Dev && ours.Ino == its.Ino
}

// onVersion1 says whether a controller belongs to a hierarchy of version 1, where version 2 cannot have it.
func (p *procfs) onVersion1(controller string) bool {
	b, err := p.read("self/cgroup")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(line, ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), controller) {
			return true
		}
	}
	return false
}

// ForeseeLimits says of controllers which cannot be had here, and why. Nothing is changed, so that what shows only when
// it is tried is not known: that others are in our group.
func ForeseeLimits(controllers []string, without bool) (map[string]error, error) {
	if without {
		return nil, errNotWanted
	}
	proc := openProc()
	defer proc.close()
	own, _, err := ownGroup(proc)
	if err == nil {
		err = writable(own)
	}
	if err != nil {
		return nil, err
	}
	d := domainOf(proc, own, "", cgroup.State{})
	missing := map[string]error{}
	for _, c := range controllers {
		if err := d.Lacks(c); err != nil {
			missing[c] = err
		}
	}
	return missing, nil
}

// errNotWanted is why there are no cgroups where the user wants none.
var errNotWanted = errors.New("no control groups are wanted")

// writable says whether processes may be put below a cgroup: only whoever may write to the common ancestor's
// cgroup.procs can.
func writable(dir string) error {
	if err := unix.Access(filepath.Join(dir, "cgroup.procs"), unix.W_OK); err != nil {
		return fmt.Errorf("cannot write %s/cgroup.procs: %w", dir, err)
	}
	return nil
}

// ownGroup finds the cgroup we run in. Hosts that also use version 1 mount version 2 somewhere below /sys/fs/cgroup,
// and a container may see only a part of the hierarchy.
func ownGroup(proc *procfs) (dir, path string, err error) {
	if proc.missing != nil {
		return shownGroup(proc)
	}
	b, err := proc.read("self/cgroup")
	if err != nil {
		return "", "", err
	}
	path, ok := unifiedPath(b)
	if !ok {
		return "", "", errors.New("no cgroup v2 here")
	}
	mounts, err := proc.read("self/mountinfo")
	if err != nil {
		return "", "", err
	}
	for line := range bytes.Lines(mounts) {
		root, at, ok := cgroup2Mount(string(line))
		if !ok {
			continue
		}
		if rel, err := filepath.Rel(root, path); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return filepath.Join(at, rel), path, nil
		}
	}
	return "", "", errors.New("our own cgroup is not mounted")
}

// shownGroup is ours where there is no /proc to tell it: a container with a view of its own (cgroup_namespaces(7)) shows
// us in the mount's root. Whose cgroup anybody else is in cannot be told then.
func shownGroup(proc *procfs) (dir, path string, err error) {
	const mount = "/sys/fs/cgroup"
	b, err := os.ReadFile(mount + "/cgroup.procs")
	if err != nil || !slices.Contains(strings.Fields(string(b)), itoa(proc.own)) {
		return "", "", errors.New("our own cgroup cannot be told without /proc")
	}
	return mount, "", nil
}

// unifiedPath takes the line of version 2 out of /proc/PID/cgroup.
func unifiedPath(b []byte) (string, bool) {
	for line := range bytes.Lines(b) {
		if path, ok := bytes.CutPrefix(line, []byte("0::")); ok {
			return strings.TrimSuffix(strings.TrimSuffix(string(path), "\n"), " (deleted)"), true
		}
	}
	return "", false
}

// cgroup2Mount reads a line of proc_pid_mountinfo(5): which part of the hierarchy is mounted, and where.
func cgroup2Mount(line string) (root, at string, ok bool) {
	head, tail, ok := strings.Cut(line, " - ")
	f := strings.Fields(head)
	if !ok || len(f) < 5 || !strings.HasPrefix(tail, "cgroup2 ") {
		return "", "", false
	}
	return unescape(f[3]), unescape(f[4]), true
}

// unescape undoes the octal escapes of blank, tab, newline and backslash.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// make makes the cgroup of a run and returns its folder, or nothing where the kernel refuses one more; that run then
// does without, as all do where there are no cgroups.
func (g *groups) make(run uint64, name string) string {
	dir := filepath.Join(g.root, groupName(run, name))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return ""
	}
	return dir
}

// removeLeft removes the folder of a supervisor that died, as far as nobody is in it, and takes back what it changed above.
func removeLeft(proc *procfs, root string) {
	if populated(root) { // its controllers are of use to whoever is in there
		removeGroup(root)
		return
	}
	g := &groups{root: root, domain: domainOf(proc, filepath.Dir(root), root, cgroup.Found(root))}
	_ = g.close()
}

// close removes the folder, and leaves the cgroup we were started in as it was.
func (g *groups) close() error {
	removeGroup(g.root)
	g.domain.Close()
	removeGroup(g.root)
	if _, err := os.Stat(g.root); err == nil {
		return fmt.Errorf("cannot remove %s: somebody is in there", g.root)
	}
	return nil
}

// counts says whether a cgroup counts who is killed for want of memory: its controller is on.
func (g *groups) counts(dir string) bool {
	return unix.Access(cgroup.MemoryEvents(dir), unix.R_OK) == nil
}

// run tells whose cgroup a process is in, from its /proc/PID/cgroup.
func (g *groups) run(b []byte) (uint64, bool) {
	path, ok := unifiedPath(b)
	if !ok {
		return 0, false
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(g.path, "/")+"/")
	if !ok {
		return 0, false
	}
	dir, _, _ := strings.Cut(rest, "/")
	run, err := strconv.ParseUint(dir[strings.LastIndexByte(dir, '.')+1:], 10, 64)
	return run, err == nil && run != 0
}

// populated says whether a process that is no zombie is in the cgroup or below.
func populated(dir string) bool {
	b, err := os.ReadFile(filepath.Join(dir, "cgroup.events"))
	return err == nil && bytes.Contains(b, []byte("populated 1"))
}

// killGroup kills all who are in the cgroup or below, also those that kill(2) may not reach. Kernels before 5.14 do not
// have it.
func killGroup(dir string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0)
}

// groupMembers lists the processes in the cgroup and below, without zombies.
func groupMembers(dir string) []int {
	var pids []int
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // gone meanwhile, or a file
		}
		b, _ := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		for f := range bytes.FieldsSeq(b) {
			if pid, err := strconv.Atoi(string(f)); err == nil && pid > 0 {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// removeGroup removes the cgroup and what was made below it, as far as nobody is in there.
func removeGroup(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if e.IsDir() {
			removeGroup(filepath.Join(dir, e.Name()))
		}
	}
	_ = unix.Rmdir(dir)
}
