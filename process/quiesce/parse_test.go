package quiesce

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseHexAddr(t *testing.T) {
	for _, x := range []struct{ in, want string }{
		{"0100007F:1F90", "127.0.0.1:8080"},
		{"00000000:0016", "0.0.0.0:22"},
		{"00000000000000000000000001000000:0050", "[::1]:80"},
		{"0000000000000000FFFF00000100007F:0050", "[::ffff:127.0.0.1]:80"},
		{"0100007F", ""},
		{"0100007F:", ""},
		{"0100007:0050", ""},
		{"0100007G:0050", ""},
		{"0100007F:10000", ""},
		{"", ""},
	} {
		got, ok := parseHexAddr(x.in)
		if ok != (x.want != "") || ok && got != netip.MustParseAddrPort(x.want) {
			t.Errorf("%q is %v, %v", x.in, got, ok)
		}
	}
}

// TestReadTable reads tables as the kernel prints them, and stops where no listener can come any more.
func TestReadTable(t *testing.T) {
	tcp := `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:8467 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 2022226 2 00 100 0 0 10 0
   1: garbage
   2: 0100007F:91F5 00000000:0000 0A 00000000:00000000 00:00000000 00000000 65534        0 2022218 1 00 100 0 0 10 0
   3: 0100007F:91F5 0100007F:8468 01 00000000:00000000 00:00000000 00000000     0        0 2022219 1 00 100 0 0 10 0
   4: 0100007F:8468 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 00 100 0 0 10 0
`
	rows := table(t, tcp, func(b []byte) (row, lineKind) { return parseTCP(b, unix.AF_INET) })
	want := row{inode: 2022218, domain: unix.AF_INET, addr: netip.MustParseAddrPort("127.0.0.1:37365"), uid: 65534}
	if len(rows) != 2 || rows[1] != want || rows[0].uid != 7 {
		t.Errorf("tcp: %+v", rows)
	}
	unixTable := `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/a  b
0000000000000000: 00000002 00000000 00000000 0001 03 12346 /run/connected
0000000000000000: 00000002 00000000 00010000 0005 01 12347 @abstract
0000000000000000: 00000002 00000000 00010000 0001 01 12348
`
	rows = table(t, unixTable, parseUnix)
	if len(rows) != 3 || rows[0].path != "/run/a  b" || rows[1].path != "@abstract" || rows[2].inode != 12348 {
		t.Errorf("unix: %+v", rows)
	}
}

func table(t *testing.T, text string, parse func([]byte) (row, lineKind)) []row {
	t.Helper()
	path := filepath.Join(t.TempDir(), "table")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := readTable(nil, f, parse)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestParseWay(t *testing.T) {
	for _, w := range []Way{None, Filter, Sentinel, MinTTL} {
		if got, ok := ParseWay(w.String()); got != w || !ok {
			t.Errorf("%v is read as %v", w, got)
		}
	}
	if w, ok := ParseWay("auto"); ok {
		t.Errorf("auto is a list of ways, and was read as %v", w)
	}
}

// TestRefusedError says each way with its reason, and can be asked for each.
func TestRefusedError(t *testing.T) {
	err := &RefusedError{Listener: "tcp 0.0.0.0:80", Refusals: []Refusal{
		{Filter, explain("cannot attach a filter", unix.EPERM, filterWords)},
		{Sentinel, ErrShared},
	}}
	for _, part := range []string{"tcp 0.0.0.0:80: filter: ", "CAP_NET_ADMIN", "; sentinel: other processes"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in %q", part, err)
		}
	}
	if !errors.Is(err, unix.EPERM) || !errors.Is(err, ErrShared) || errors.Is(err, ErrUnix) {
		t.Error("the reasons cannot be asked for")
	}
}

// TestListeningTwoWays demands the same of sock_diag as of /proc/net.
func TestListeningTwoWays(t *testing.T) {
	for _, network := range []string{"tcp4", "tcp6", "unix"} {
		address := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0", "unix": filepath.Join(t.TempDir(), "a b")}[network]
		l, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
	}
	ours := func(rows []row, err error) map[uint64]row {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		all := map[uint64]row{}
		for _, r := range rows {
			all[r.inode] = r
		}
		return all
	}
	shown, told := ours(tables()), ours(asked())
	found, _ := Listeners([]int{os.Getpid()})
	for _, l := range found {
		for _, inode := range l.Inodes() {
			if shown[inode] != told[inode] || told[inode].inode == 0 {
				t.Errorf("%v: /proc/net shows %+v, sock_diag tells %+v", l, shown[inode], told[inode])
			}
		}
		l.Close()
	}
	if len(found) < 3 {
		t.Errorf("%d listeners were found, want three or more", len(found))
	}
}
