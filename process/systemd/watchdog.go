package systemd

import (
	"strconv"
	"time"
)

// Watchdog is how often the service manager wants to hear that we live, and is told so: half of WATCHDOG_USEC. 0: it does
// not ask us (sd_watchdog_enabled(3)).
func Watchdog(getenv func(string) string, pid int) time.Duration {
	if who := getenv("WATCHDOG_PID"); who != "" && who != strconv.Itoa(pid) {
		return 0
	}
	usec, err := strconv.ParseUint(getenv("WATCHDOG_USEC"), 10, 63)
	if err != nil || usec > uint64(time.Duration(1<<63-1)/time.Microsecond) {
		return 0
	}
	return time.Duration(usec) * time.Microsecond / 2
}

// Watch says that we live, as often as that, for as long as alive answers with true: it asks the loop, and comes back when
// the loop has answered. One that hangs is not vouched for. It returns when the loop is over.
func (m *Manager) Watch(every time.Duration, alive func() bool) {
	if m == nil || every <= 0 {
		return
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for alive() {
		m.Tell(Message{Watchdog: true})
		<-ticker.C
	}
}
