package shim

// Circumstances are what a program finds around it when it begins, beside what fork and exec give it. What is not set
// stays as its parent has it.
type Circumstances struct {
	User       *User   // who it runs as
	Umask      *uint32 // umask(2)
	Nice       *int    // setpriority(2), -20 to 19
	OOMScore   *int    // oom_score_adj of proc_pid_oom_score_adj(5), -1000 to 1000
	Limits     []Limit
	Caps       *Caps
	NoNewPrivs bool // PR_SET_NO_NEW_PRIVS of prctl(2)
}

// User is who a program runs as, by numbers. Names are the affair of whoever writes the order: looking them up may take
// long.
type User struct {
	UID, GID uint32
	Groups   []uint32 // supplementary, whole
}

// Limit is a resource limit (getrlimit(2)).
type Limit struct {
	Resource   int
	Soft, Hard uint64 // Unlimited: none
}

// Unlimited is a resource limit that is none.
const Unlimited = ^uint64(0)

// Caps are the capabilities that a program may ever have (capabilities(7)): all others leave its bounding set. It begins
// with these, whoever it runs as.
type Caps struct {
	Keep []int
}

// Any says whether anything is set.
func (c *Circumstances) Any() bool {
	return c != nil && (c.User != nil || c.Umask != nil || c.Nice != nil || c.OOMScore != nil || len(c.Limits) > 0 ||
		c.Caps != nil || c.NoNewPrivs)
}
