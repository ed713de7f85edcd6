package sockdiag

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// world is a listener of this process, a client, and the connection between them as the server has it.
type world struct {
	t      *testing.T
	l      net.Listener
	client *net.TCPConn
	server *net.TCPConn
}

func open(t testing.TB) *Diag {
	t.Helper()
	d, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func newWorld(t *testing.T, host string) *world {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		lacking(t, "no "+host+" here: "+err.Error())
	}
	t.Cleanup(func() { l.Close() })
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &world{t: t, l: l, client: c.(*net.TCPConn)}
}

// lacking skips a test on a machine that cannot run it, and fails where the machine must be able to.
func lacking(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) accept() {
	w.t.Helper()
	if w.server != nil {
		return
	}
	s, err := w.l.Accept()
	w.must(err)
	w.server = s.(*net.TCPConn)
	w.t.Cleanup(func() { s.Close() })
}

func (w *world) say(c net.Conn, text string) {
	w.t.Helper()
	_, err := c.Write([]byte(text))
	w.must(err)
}

func (w *world) hear(c net.Conn, n int) {
	w.t.Helper()
	_, err := io.ReadFull(c, make([]byte, n))
	w.must(err)
}

// end reads the other side's end.
func (w *world) end(c net.Conn) {
	w.t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		w.t.Fatalf("read %d bytes and %v, want the end", n, err)
	}
}

func (w *world) exchange() {
	w.t.Helper()
	w.accept()
	w.say(w.client, "GET")
	w.hear(w.server, 3)
	w.answer()
}

func (w *world) answer() {
	w.t.Helper()
	w.say(w.server, "answer")
	w.hear(w.client, 6)
	w.acknowledge()
}

// acknowledge has the client send its acknowledgement now.
func (w *world) acknowledge() {
	w.t.Helper()
	w.must(unix.SetsockoptInt(fdOf(w.t, w.client), unix.IPPROTO_TCP, unix.TCP_QUICKACK, 1))
}

// tick lets the kernel's clock go on, which steps every 10 ms at most.
func (w *world) tick() {
	w.t.Helper()
	expire(w.t, 25*time.Millisecond)
}

// expire lets the kernel's clock go on for as long: it waits for a client that nobody can be.
func expire(t *testing.T, d time.Duration) {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix"}) // nobody knows its name
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetDeadline(time.Now().Add(d))
	if c, err := l.Accept(); err == nil {
		c.Close()
		t.Fatal("somebody came")
	}
}

// flood writes until the client's window and the send buffer are full.
func (w *world) flood() {
	w.t.Helper()
	raw, err := w.server.SyscallConn()
	w.must(err)
	chunk := make([]byte, 1<<16)
	w.must(raw.Write(func(fd uintptr) bool {
		for err == nil {
			_, err = unix.Write(int(fd), chunk)
		}
		return true
	}))
	if err != unix.EAGAIN {
		w.t.Fatal(err)
	}
}

func (w *world) handshake(version uint16) {
	w.t.Helper()
	w.accept()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	w.must(err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	w.must(err)
	config := &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   version, MaxVersion: version,
	}
	done := make(chan error, 1)
	go func() { done <- tls.Server(w.server, config).Handshake() }()
	w.must(tls.Client(w.client, &tls.Config{InsecureSkipVerify: true}).Handshake())
	w.must(<-done)
	w.acknowledge()
}

func (w *world) sample(d *Diag) Sample {
	w.t.Helper()
	return find(w.t, d, w.client)
}

// find reads the server's side of a client's connection; the zero Sample where there is none any more. The client's
// port alone does not name it, for it may serve for another listener too.
func find(t *testing.T, d *Diag, client net.Conn) Sample {
	t.Helper()
	server := client.RemoteAddr().(*net.TCPAddr).AddrPort()
	peer := client.LocalAddr().(*net.TCPAddr).AddrPort()
	samples, err := d.List(Query{States: Serving}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range samples {
		if unmapped(s.Peer) == unmapped(peer) && unmapped(s.Local) == unmapped(server) {
			return s
		}
	}
	return Sample{}
}
