package guardian

import (
	"syscall"
	"testing"
)

// TestHearsLastWords hears a master that ended, and left signals unread or not: the kernel tells of those first.
func TestHearsLastWords(t *testing.T) {
	for _, unread := range []int{0, 1, 2} {
		pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		g := &stage{conn: pair[0]}
		for range unread {
			g.pass(syscall.SIGTERM)
		}
		for _, word := range [][]byte{Became("/bin/lastout"), Done()} {
			if _, err := syscall.Write(pair[1], word); err != nil {
				t.Fatal(err)
			}
		}
		syscall.Close(pair[1])
		g.hear()
		if !g.done || g.binary != "/bin/lastout" || !g.silent {
			t.Errorf("%d unread: done %v, binary %q, silent %v", unread, g.done, g.binary, g.silent)
		}
		syscall.Close(pair[0])
	}
}
