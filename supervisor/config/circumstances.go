package config

import (
	"maps"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"lastout/process/cgroup"
	"lastout/process/shim"
)

// account is who a process runs as: by numbers, and what its environment tells.
type account struct {
	shim.User
	name, home string // empty: there is no entry for it
}

// circumstances are what a process finds around it when it begins; nil where nothing is written. Its hooks and probes find
// the same.
func (b *builder) circumstances(t *table, who *account) *shim.Circumstances {
	c := &shim.Circumstances{
		Umask:      b.umask(t),
		Nice:       number(t, "nice"),
		OOMScore:   number(t, "oom_score_adj"),
		Limits:     b.limits(t.table("limits")),
		Caps:       b.capabilities(t),
		NoNewPrivs: t.flag("no_new_privs", false),
	}
	if who != nil {
		c.User = &who.User
	}
	if !c.Any() {
		return nil
	}
	return c
}

// groupLimits are those of the control group of a run, and of each of its hooks; nil where there is none.
func groupLimits(t *table) *cgroup.Limits {
	l := &cgroup.Limits{
		Memory: t.size("memory_max", 0), // "max" is none, for a process to do without what [defaults] say
		Pids:   int64(t.integer("pids_max", 0)),
		Weight: int64(t.integer("cpu_weight", 0)),
	}
	if !l.Any() {
		return nil
	}
	return l
}

func number(t *table, key string) *int {
	if !t.has(key) {
		return nil
	}
	n := t.integer(key, 0)
	return &n
}

// account looks up who the process runs as; nil: as lastout does. Without a group it has that of its entry, and without
// groups all those that name it.
func (b *builder) account(t *table) *account {
	if !t.has("user") && !t.has("group") && !t.has("groups") {
		return nil
	}
	a := &account{User: shim.User{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid())}}
	if t.has("user") && !t.bad("user") {
		b.user(t, a)
	}
	if n := b.accountNumber(t, "group", lookupGroup); t.has("group") && n >= 0 {
		a.GID = uint32(n)
	}
	if t.has("groups") {
		a.Groups = []uint32{}
		for _, item := range t.list("groups") {
			if n := b.nameNumber(item.at, "groups", item.s, lookupGroup); n >= 0 {
				a.Groups = append(a.Groups, uint32(n))
			}
		}
	}
	return a
}

// user takes the entry of the user over, if there is one.
func (b *builder) user(t *table, a *account) {
	n := b.accountNumber(t, "user", lookupUser)
	if n < 0 {
		return
	}
	a.UID, a.Groups = uint32(n), []uint32{}
	entry, err := user.LookupId(strconv.Itoa(n))
	if err != nil {
		if !t.has("group") {
			b.fault(t.place("user"), "user: %d has no entry here that would tell its group (write group = %d beside it)", n, n)
		}
		return
	}
	a.name, a.home = entry.Username, entry.HomeDir
	if gid, err := strconv.ParseUint(entry.Gid, 10, 32); err == nil {
		a.GID = uint32(gid)
	}
	ids, err := entry.GroupIds()
	if err != nil {
		b.fault(t.place("user"), "user: cannot find the groups of %s: %v", a.name, err)
	}
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.Groups = append(a.Groups, uint32(gid))
		}
	}
}

// variables tells the program who it is.
func (a *account) variables(env *environment) {
	if a == nil || a.name == "" {
		return
	}
	env.set("HOME", a.home)
	env.set("USER", a.name)
	env.set("LOGNAME", a.name)
}

func (b *builder) umask(t *table) *uint32 {
	if !t.has("umask") || t.bad("umask") {
		return nil
	}
	n, err := strconv.ParseUint(t.str("umask", ""), 8, 32)
	if err != nil || n > 0o777 {
		b.fault(t.place("umask"), `umask: %q is no mask of modes (such as "022")`, t.str("umask", ""))
	}
	mask := uint32(n)
	return &mask
}

func (b *builder) limits(t *table) (limits []shim.Limit) {
	for _, name := range slices.Sorted(maps.Keys(t.vals)) {
		v := t.vals[name]
		resource, known := shim.Resource(name)
		switch {
		case name == "rttime":
			b.fault(v.at, "limits.rttime: lastout marks by it whose descendant a process is (leave it out)")
			continue
		case !known:
			_, hint := didYouMean(name, shim.Resources())
			b.fault(v.at, "limits: there is no limit %q%s", name, hint)
			continue
		}
		l := shim.Limit{Resource: resource}
		switch is := v.is.(type) {
		case int64:
			if is < 0 {
				b.fault(v.at, `limits.%s: %d is below 0 (write "unlimited" for none)`, name, is)
			}
			l.Soft = uint64(is)
			l.Hard = l.Soft
		case string:
			var ok bool
			if l.Soft, l.Hard, ok = limitOf(is); !ok {
				b.fault(v.at, `limits.%s: %q is no limit (such as 4096, "1024:4096", "64MiB" or "unlimited")`, name, is)
			}
		}
		if l.Soft > l.Hard {
			b.fault(v.at, "limits.%s: the soft limit is above the hard one (write it as soft:hard)", name)
		}
		limits = append(limits, l)
	}
	return limits
}

// limitOf reads "soft:hard", or one for both.
func limitOf(s string) (soft, hard uint64, ok bool) {
	first, second, both := strings.Cut(s, ":")
	soft, ok = oneLimit(first)
	if !both {
		return soft, soft, ok
	}
	hard, ok2 := oneLimit(second)
	return soft, hard, ok && ok2
}

func oneLimit(s string) (uint64, bool) {
	if s == "unlimited" || s == "infinity" {
		return shim.Unlimited, true
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, true
	}
	n, err := parseSize(s)
	return uint64(n), err == nil
}

// capabilities are those that are kept, with or without CAP_ before their names.
func (b *builder) capabilities(t *table) *shim.Caps {
	if !t.has("capabilities") {
		return nil
	}
	c := &shim.Caps{}
	for _, item := range t.list("capabilities") {
		name := strings.TrimPrefix(strings.ToUpper(item.s), "CAP_")
		n, known := shim.Capability(name)
		if !known {
			hint := nearWord(name, shim.Capabilities())
			b.fault(item.at, "capabilities: there is no capability %q%s", item.s, hint)
			continue
		}
		c.Keep = append(c.Keep, n)
	}
	return c
}

// stdin is where the input of an instance comes from: "" is nowhere, "inherit" is where lastout's own comes from, all
// else a file.
func (b *builder) stdin(t *table) string {
	written, ok := b.expand(t.place("stdin"), "stdin", t.str("stdin", "null"))
	switch {
	case !ok || written == "null":
		return ""
	case written == Inherit:
		return Inherit
	case written == "":
		b.fault(t.place("stdin"), `stdin: it is empty (such as "null", "inherit" or the name of a file)`)
		return ""
	}
	return abs(t.place("stdin"), written)
}

// lookupUser and lookupGroup are the numbers of names.
func lookupUser(name string) (string, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return "", err
	}
	return u.Uid, nil
}

func lookupGroup(name string) (string, error) {
	g, err := user.LookupGroup(name)
	if err != nil {
		return "", err
	}
	return g.Gid, nil
}

// accountNumber is the number of a user or group, -1 where none is given.
func (b *builder) accountNumber(t *table, key string, lookup func(name string) (string, error)) int {
	name := t.str(key, "")
	if name != "" {
		return b.nameNumber(t.place(key), key, name, lookup)
	}
	n := t.integer(key, -1)
	if t.has(key) && !t.bad(key) && (n < 0 || n > math.MaxUint32-1) {
		b.fault(t.place(key), "%s: %d is no number of one", key, n)
		return -1
	}
	return n
}

func (b *builder) nameNumber(at *place, key, name string, lookup func(name string) (string, error)) int {
	what := strings.TrimSuffix(key, "s")
	name, ok := b.expand(at, key, name)
	if !ok {
		return -1
	}
	id, err := lookup(name)
	if err != nil {
		id = name
	}
	n, err := strconv.ParseUint(id, 10, 32)
	if err != nil || n == math.MaxUint32 {
		b.fault(at, "%s: there is no %s %q here%s", key, what, name, nearWord(name, accountNames(what)))
		return -1
	}
	return int(n)
}

// accountNames are the names that passwd(5) or group(5) list, for suggestions.
func accountNames(what string) (names []string) {
	file := map[string]string{"user": "/etc/passwd", "group": "/etc/group"}[what]
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		if name, _, ok := strings.Cut(line, ":"); ok {
			names = append(names, name)
		}
	}
	return names
}

// lintAccount warns of an account that lastout has not the privilege to become.
func (l *loader) lintAccount(p *process) {
	own := uint32(os.Geteuid())
	if own == 0 || len(p.built.Instances) == 0 {
		return
	}
	around := p.built.Instances[0].Command.Around
	if around == nil || around.User == nil {
		return
	}
	if u := around.User; u.UID != own || u.GID != uint32(os.Getegid()) {
		l.warn(p.t.place("user"), "%suser: lastout runs as user %d here and cannot become user %d with group %d: it will not start",
			p.who, own, u.UID, u.GID)
	}
}
