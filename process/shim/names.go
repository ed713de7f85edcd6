package shim

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// resources are the limits of getrlimit(2), by the names that prlimit(1) and limits.conf(5) give them. RLIMIT_RTTIME is
// not among them: by its hard limit descendants are told apart.
var resources = map[string]int{
	"as": unix.RLIMIT_AS, "core": unix.RLIMIT_CORE, "cpu": unix.RLIMIT_CPU, "data": unix.RLIMIT_DATA,
	"fsize": unix.RLIMIT_FSIZE, "locks": unix.RLIMIT_LOCKS, "memlock": unix.RLIMIT_MEMLOCK,
	"msgqueue": unix.RLIMIT_MSGQUEUE, "nice": unix.RLIMIT_NICE, "nofile": unix.RLIMIT_NOFILE,
	"nproc": unix.RLIMIT_NPROC, "rss": unix.RLIMIT_RSS, "rtprio": unix.RLIMIT_RTPRIO,
	"sigpending": unix.RLIMIT_SIGPENDING, "stack": unix.RLIMIT_STACK,
}

// capabilities are those of capabilities(7), by their numbers, without CAP_.
var capabilities = [...]string{
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
	"LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
	"SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
	"SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
	"MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE",
}

// Resource is the number of a resource limit.
func Resource(name string) (int, bool) {
	n, ok := resources[name]
	return n, ok
}

// ResourceName is the other way round.
func ResourceName(n int) string {
	for name, number := range resources {
		if number == n {
			return name
		}
	}
	return strconv.Itoa(n)
}

// Resources are the names of all limits, in no order.
func Resources() []string {
	names := make([]string, 0, len(resources))
	for name := range resources {
		names = append(names, name)
	}
	return names
}

// Capability is the number of a capability, by its name in capitals, without CAP_.
func Capability(name string) (int, bool) {
	for n, known := range capabilities {
		if known == name {
			return n, true
		}
	}
	return 0, false
}

// CapabilityName is the other way round, with CAP_.
func CapabilityName(n int) string {
	if n < len(capabilities) {
		return "CAP_" + capabilities[n]
	}
	return strconv.Itoa(n)
}

// Capabilities are the names of all, without CAP_.
func Capabilities() []string { return append([]string{}, capabilities[:]...) }
