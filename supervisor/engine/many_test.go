package engine

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

// perProcess is how many connections a process of these has: hard limits of 20,000 descriptors are met.
const perProcess = 16_700

// manyHelper is a gateway of several processes, which share a listener and hold n connections together. Each has carried
// a request and its answer. It writes its address into $DIR/address.
func manyHelper(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fail(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		err = errors.Join(unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
			unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 4096))
	}
	if err != nil {
		return fail(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return fail(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", sa.(*unix.SockaddrInet4).Port)
	if err := os.WriteFile(os.Getenv("DIR")+"/address", []byte(address), 0o600); err != nil {
		return fail(err)
	}
	for rest := n; rest > 0; rest -= perProcess {
		if err := fork("accepts", uintptr(fd), strconv.Itoa(min(rest, perProcess))); err != nil {
			return fail(err)
		}
	}
	fmt.Println("listens at", address)
	return untilTold()
}

// fork starts a helper of this test binary, with a descriptor as its 3.
func fork(name string, fd uintptr, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	_, err = syscall.ForkExec(self, append([]string{self}, args...), &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2, fd}, Env: []string{helperVar + "=" + name, "DIR=" + os.Getenv("DIR")},
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
	})
	return err
}

// acceptsHelper takes n connections from descriptor 3, answers one request on each, and keeps them.
func acceptsHelper(args []string) int {
	n, err := strconv.Atoi(args[0])
	buf := make([]byte, 64)
	for i := 0; i < n && err == nil; i++ {
		var fd int
		if fd, _, err = unix.Accept(3); err == nil {
			if _, err = unix.Read(fd, buf); err == nil {
				_, err = unix.Write(fd, buf)
			}
		}
	}
	if err != nil {
		return fail(err)
	}
	return untilTold()
}

// clientsHelper is n clients of $DIR/address, in as many processes as they need.
func clientsHelper(args []string) int {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return fail(err)
	}
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		return fail(err)
	}
	processes := 0
	for rest := n; rest > 0; rest -= perProcess {
		processes++
		args := []string{strconv.Itoa(min(rest, perProcess)), strconv.Itoa(processes)}
		if err := fork("connects", uintptr(pipe[1]), args...); err != nil {
			return fail(err)
		}
	}
	for range processes {
		if _, err := unix.Read(pipe[0], make([]byte, 1)); err != nil {
			return fail(err)
		}
	}
	fmt.Println("connected")
	return untilTold()
}

// connectsHelper opens n connections from an address of its own, for there are not as many ports at one, and says so to
// descriptor 3.
func connectsHelper(args []string) int {
	n, err := strconv.Atoi(args[0])
	own, err2 := strconv.Atoi(args[1])
	text, err3 := os.ReadFile(os.Getenv("DIR") + "/address")
	if err := errors.Join(err, err2, err3); err != nil {
		return fail(err)
	}
	to := netip.MustParseAddrPort(string(text))
	buf := make([]byte, 64)
	for range n {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err == nil {
			err = errors.Join(unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
				unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 1, byte(own)}}),
				unix.Connect(fd, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}))
		}
		if err == nil {
			_, err = unix.Write(fd, buf)
		}
		if err == nil {
			_, err = unix.Read(fd, buf)
		}
		if err != nil {
			return fail(err)
		}
	}
	if _, err := unix.Write(3, buf[:1]); err != nil {
		return fail(err)
	}
	return untilTold()
}

// BenchmarkDrainOfMany is what a shutdown costs the supervisor with so many idle connections at a gateway: the time to
// the end of the drain and that of the whole, and the processor's time for each.
func BenchmarkDrainOfMany(b *testing.B) {
	for _, n := range []int{0, 10_000, 50_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var drain, whole, drainCPU, wholeCPU time.Duration
			for b.Loop() {
				b.StopTimer()
				r := newRig(b)
				edge := r.add("edge", ordering.Gateway, "").probed(config.Probe{Log: regexp.MustCompile("^listens")})
				edge.Process.Instances[0].Command = r.helper("many", fmt.Sprint(n))
				edge.Process.Instances[0].Drain = config.Drain{Quiet: 500 * time.Millisecond}
				edge.Spec.Drain = supervisor.Drain{
					Quiesce: true, Until: supervisor.UntilQuiet, Timeout: patient, Settle: time.Second,
				}
				clients := r.add("clients", ordering.Worker, "", "edge").probed(config.Probe{Log: regexp.MustCompile("^connected")})
				clients.Process.Instances[0].Command = r.helper("clients", fmt.Sprint(n))
				r.start()
				r.state("clients", supervisor.Ready)
				r.state("edge", supervisor.Ready)
				idle := time.After(time.Second) // they are idle for longer than the drain asks
				<-idle
				b.StartTimer()
				began, cpu := time.Now(), spent(b)
				r.host.Stop("benchmark")
				r.state("edge", supervisor.Drained)
				drain, drainCPU = drain+time.Since(began), drainCPU+spent(b)-cpu
				if out := r.wait(); out.Code != 0 {
					b.Fatalf("outcome %+v", out)
				}
				whole, wholeCPU = whole+time.Since(began), wholeCPU+spent(b)-cpu
				b.StopTimer()
				r.close()
				b.StartTimer()
			}
			for name, d := range map[string]time.Duration{
				"ms/drain": drain, "ms/whole": whole, "cpu-ms/drain": drainCPU, "cpu-ms/whole": wholeCPU,
			} {
				b.ReportMetric(float64(d.Microseconds())/1000/float64(b.N), name)
			}
			b.ReportAllocs()
		})
	}
}

// spent is the processor's time that this process has had.
func spent(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
