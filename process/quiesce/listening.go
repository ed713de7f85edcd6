package quiesce

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lastout/process/sockdiag"
)

// row is a listening socket of our network namespace as /proc/net shows it, to everybody.
type row struct {
	inode  uint64
	domain int // AF_INET, AF_INET6, AF_UNIX
	addr   netip.AddrPort
	path   string // of a unix socket; "@x" is abstract
	uid    uint32
}

// listening reads the listening sockets of our network namespace. A listener of MPTCP is shown as the TCP socket that
// it has inside, under its own inode. Where there is no sock_diag(7) it reads /proc/net, for which the kernel looks
// through its connections too.
func listening() ([]row, error) {
	if rows, err := asked(); err == nil {
		return rows, nil
	}
	return tables()
}

// asked are the listening sockets as sock_diag(7) tells of them.
func asked() ([]row, error) {
	diag, err := sockdiag.Open()
	if err != nil {
		return nil, err
	}
	defer diag.Close()
	tcp, err := diag.List(sockdiag.Query{States: sockdiag.Of(sockdiag.Listening), NoInfo: true}, nil)
	if err != nil {
		return nil, err
	}
	var rows []row
	for i := range tcp {
		s := &tcp[i]
		domain := unix.AF_INET
		if s.IPv6 {
			domain = unix.AF_INET6
		}
		addr := netip.AddrPortFrom(s.Local.Addr().WithZone(""), s.Local.Port())
		rows = append(rows, row{inode: uint64(s.Inode), domain: domain, addr: addr, uid: s.UID})
	}
	err = sockdiag.Repeat(func() error {
		rows = rows[:len(tcp)]
		return diag.Unix(sockdiag.Of(sockdiag.Listening), func(u *sockdiag.UnixSample) {
			rows = append(rows, row{inode: uint64(u.Inode), domain: unix.AF_UNIX, path: u.Path})
		})
	})
	return rows, err
}

// tables are the listening sockets as /proc/net shows them (proc_pid_net(5)).
func tables() ([]row, error) {
	var rows []row
	for _, t := range []struct {
		file  string
		parse func([]byte) (row, lineKind)
	}{
		{"/proc/self/net/tcp", func(b []byte) (row, lineKind) { return parseTCP(b, unix.AF_INET) }},
		{"/proc/self/net/tcp6", func(b []byte) (row, lineKind) { return parseTCP(b, unix.AF_INET6) }},
		{"/proc/self/net/unix", parseUnix},
	} {
		f, err := os.Open(t.file)
		if os.IsNotExist(err) {
			continue // a kernel without IPv6
		}
		if err != nil {
			return nil, fmt.Errorf("cannot list the listening sockets: %w", err)
		}
		rows, err = readTable(rows, f, t.parse)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot list the listening sockets: %w", err)
		}
	}
	return rows, nil
}

type lineKind uint8

const (
	isListener lineKind = iota
	isOther
	isAfterAll // no listener comes behind it
)

func readTable(rows []row, f *os.File, parse func([]byte) (row, lineKind)) ([]row, error) {
	s := bufio.NewScanner(f)
	s.Scan() // the head
	for s.Scan() {
		r, kind := parse(s.Bytes())
		switch kind {
		case isListener:
			rows = append(rows, r)
		case isOther:
		case isAfterAll:
			return rows, nil // 50,000 connections may follow, which cost time
		}
	}
	return rows, s.Err()
}

// parseTCP reads a line of /proc/net/tcp or tcp6 (proc_pid_net(5)). Listeners come first.
func parseTCP(line []byte, domain int) (row, lineKind) {
	f := bytes.Fields(line)
	if len(f) < 10 {
		return row{}, isOther
	}
	if string(f[3]) != "0A" { // TCP_LISTEN
		return row{}, isAfterAll
	}
	addr, ok := parseHexAddr(string(f[1]))
	uid, err1 := strconv.ParseUint(string(f[7]), 10, 32)
	inode, err2 := strconv.ParseUint(string(f[9]), 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return row{}, isOther
	}
	return row{inode: inode, domain: domain, addr: addr, uid: uint32(uid)}, isListener
}

// parseHexAddr reads an address as the kernel prints it: words of 32 bits in the machine's byte order, and the port.
func parseHexAddr(s string) (netip.AddrPort, bool) {
	hex, port, ok := cut(s)
	if !ok || len(hex) != 8 && len(hex) != 32 {
		return netip.AddrPort{}, false
	}
	var b []byte
	for ; hex != ""; hex = hex[8:] {
		word, err := strconv.ParseUint(hex[:8], 16, 32)
		if err != nil {
			return netip.AddrPort{}, false
		}
		b = binary.NativeEndian.AppendUint32(b, uint32(word))
	}
	addr, _ := netip.AddrFromSlice(b)
	return netip.AddrPortFrom(addr, port), true
}

func cut(s string) (hex string, port uint16, ok bool) {
	for i := range len(s) {
		if s[i] == ':' {
			n, err := strconv.ParseUint(s[i+1:], 16, 16)
			return s[:i], uint16(n), err == nil
		}
	}
	return "", 0, false
}

// parseUnix reads a line of /proc/net/unix. The flag of a listener is the kernel's __SO_ACCEPTCON.
func parseUnix(line []byte) (row, lineKind) {
	f := bytes.SplitN(bytes.TrimSpace(line), []byte(" "), -1)
	f = fieldsAtMost(f, 8)
	if len(f) < 7 {
		return row{}, isOther
	}
	flags, err1 := strconv.ParseUint(string(f[3]), 16, 32)
	inode, err2 := strconv.ParseUint(string(f[6]), 10, 64)
	if err1 != nil || err2 != nil || flags&0x10000 == 0 {
		return row{}, isOther
	}
	r := row{inode: inode, domain: unix.AF_UNIX}
	if len(f) == 8 {
		r.path = string(f[7])
	}
	return r, isListener
}

// fieldsAtMost drops the empty fields; from the last one on it keeps the text as it is, for a path may have spaces.
func fieldsAtMost(f [][]byte, n int) [][]byte {
	var out [][]byte
	for i, x := range f {
		if len(x) == 0 {
			continue
		}
		if len(out) == n-1 {
			return append(out, bytes.Join(f[i:], []byte(" ")))
		}
		out = append(out, x)
	}
	return out
}
