package quiesce

import (
	"fmt"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// SO_MEMINFO (linux/sock_diag.h) gives these numbers about a socket; the last one is how many packets it
// dropped.
const (
	memVars  = 9 // SK_MEMINFO_VARS
	memDrops = 8 // SK_MEMINFO_DROPS
)

// drops counts the packets that the kernel dropped at a socket: an own SYN that is turned away shows there at once.
func drops(fd int) (uint32, error) {
	var info [memVars]uint32
	n, err := getsockopt(fd, unix.SOL_SOCKET, unix.SO_MEMINFO, unsafe.Pointer(&info), unsafe.Sizeof(info))
	if err != nil {
		return 0, fmt.Errorf("cannot read SO_MEMINFO: %w", err)
	}
	if n < memDrops*4 {
		return 0, fmt.Errorf("cannot read SO_MEMINFO: the kernel gave %d bytes", n)
	}
	return info[memDrops], nil
}

// getsockopt returns what the kernel wrote into the length, which some options use for a count.
func getsockopt(fd, level, opt int, val unsafe.Pointer, size uintptr) (int, error) {
	n := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(val), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// inode tells which socket a descriptor is, and the user it counts as for SO_REUSEPORT.
func inode(fd int) (ino uint64, uid uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return 0, 0, fmt.Errorf("cannot stat a socket: %w", err)
	}
	return st.Ino, st.Uid, nil
}

func toSockaddr(domain int, a netip.AddrPort) unix.Sockaddr {
	if domain == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().Unmap().As4()}
	}
	zone, _ := strconv.ParseUint(a.Addr().Zone(), 10, 32)
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: uint32(zone)}
}

func fromSockaddr(sa unix.Sockaddr) (netip.AddrPort, bool) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), true
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.ZoneId != 0 {
			addr = addr.WithZone(strconv.FormatUint(uint64(sa.ZoneId), 10))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)), true
	default:
		return netip.AddrPort{}, false
	}
}
