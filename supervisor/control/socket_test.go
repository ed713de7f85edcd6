package control

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// asUser makes the test binary a client: it asks who answers at a socket, and who may stop it.
var asUser = flag.String("as-user", "", "connect to this socket, and say what came of it")

func TestMain(m *testing.M) {
	flag.Parse()
	if *asUser == "" {
		os.Exit(m.Run())
	}
	client := NewClient(*asUser)
	_, err := client.About(context.Background())
	fmt.Printf("about: %v\n", err)
	fmt.Printf("down: %v\n", client.Down(context.Background(), DownRequest{}))
}

// ask connects as another user, by a copy of the test binary that he can read.
func askAs(t *testing.T, uid uint32, socket string) string {
	t.Helper()
	if os.Getuid() != 0 {
		skip(t, "only root can be somebody else")
	}
	dir, err := os.MkdirTemp("", "control-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	program := filepath.Join(dir, "client")
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(program, text, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-as-user", socket)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// open is a folder that everybody may go through, as /run is.
func open(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "control-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode()
}

// The socket is 0600 in a 0700 folder whatever the umask; where others may use it, it is open, and the folder may be gone
// through.
func TestModes(t *testing.T) {
	for _, umask := range []int{0, 0o077} {
		for _, others := range []bool{false, true} {
			path := filepath.Join(open(t), "lastout", "shop.sock")
			before := syscall.Umask(umask)
			s, err := OpenSocket(SocketOptions{Path: path, Others: others})
			syscall.Umask(before)
			if err != nil {
				t.Fatal(err)
			}
			socket, folder := os.FileMode(0o600), os.FileMode(0o700)
			if others {
				socket, folder = 0o666, 0o711
			}
			if mode(t, path) != socket|os.ModeSocket || mode(t, filepath.Dir(path)) != folder|os.ModeDir {
				t.Errorf("others %v: %v in %v", others, mode(t, path), mode(t, filepath.Dir(path)))
			}
			s.Close()
			s.Remove()
			if _, err := os.Lstat(path); err == nil {
				t.Error("it is still there")
			}
		}
	}
}

// A folder that anybody else may have prepared is refused.
func TestFoldersOfOthers(t *testing.T) {
	dir := open(t)
	make := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.Mkdir(path, 0o700), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	make("good", 0o700)
	make("readable", 0o755)
	make("writable", 0o722)
	if err := errors.Join(os.Symlink("good", filepath.Join(dir, "link")), os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	says := map[string]string{
		"readable": "mode 0755, not 0700", "writable": "mode 0722", "link": "no folder", "file": "no folder",
		"none/below": "cannot make the folder",
	}
	if os.Getuid() == 0 {
		if err := os.Chown(make("foreign", 0o700), 12345, -1); err != nil {
			t.Fatal(err)
		}
		says["foreign"] = "belongs to another user"
	}
	for name, want := range says {
		_, err := OpenSocket(SocketOptions{Path: filepath.Join(dir, name, "shop.sock")})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What the user writes is his own business, and is made.
	s, err := OpenSocket(SocketOptions{Path: filepath.Join(dir, "readable", "deeper", "shop.sock"), Written: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// The socket of a dead master is replaced; one of a living master is not, and it is said whose it is; what is no socket is
// left alone.
func TestStaleAndTaken(t *testing.T) {
	s := serveOurs(t, newFake())
	_, err := OpenSocket(SocketOptions{Path: s.path})
	var busy *BusyError
	if !errors.As(err, &busy) || busy.About == nil ||
		!strings.HasSuffix(err.Error(), `the tree "shop" runs there already (pid 4711, /srv/shop/lastout.toml)`) {
		t.Fatalf("a second master: %v", err)
	}

	path := filepath.Join(filepath.Dir(s.path), "stale.sock")
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	fresh, err := OpenSocket(SocketOptions{Path: path})
	if err != nil {
		t.Fatalf("a dead master: %v", err)
	}
	defer fresh.Close()

	mute := filepath.Join(filepath.Dir(s.path), "mute.sock")
	l, err = (&net.ListenConfig{}).Listen(context.Background(), "unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err = OpenSocket(SocketOptions{Path: mute}); !errors.As(err, &busy) || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("somebody who does not answer: %v", err)
	}

	file := filepath.Join(filepath.Dir(s.path), "file.sock")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenSocket(SocketOptions{Path: file}); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, _ := os.ReadFile(file); string(text) != "precious" {
		t.Error("the file is gone")
	}
}

// Of many that find the socket of a dead master, one wins, and the others hear of it.
func TestRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.sock")
	for range 20 {
		var wins, refusals []any
		var mu sync.Mutex
		var masters sync.WaitGroup
		for range 8 {
			masters.Go(func() {
				s, err := OpenSocket(SocketOptions{Path: path, Written: true})
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					wins = append(wins, s)
					server := NewServer(Options{System: newFake(), Recorder: NewRecorder(1), Access: Access{Owner: uint32(os.Getuid())}})
					server.Serve(s)
					t.Cleanup(func() { server.Close(0) })
					return
				}
				refusals = append(refusals, err)
			})
		}
		masters.Wait()
		if len(wins) != 1 {
			t.Fatalf("%d have won; the others: %v", len(wins), refusals)
		}
		wins[0].(*Socket).Close() // as if it died: the name stays
	}
}

// A socket that took the place of ours is not ours to remove.
func TestRemoveIsForOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.sock")
	first, err := OpenSocket(SocketOptions{Path: path, Written: true})
	if err != nil {
		t.Fatal(err)
	}
	first.Close()
	second, err := OpenSocket(SocketOptions{Path: path, Written: true})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Remove()
	if _, err := os.Lstat(path); err != nil {
		t.Error("the first one has removed the second one's")
	}
}

// Others are refused by the kernel; where some may come in, by their credentials.
func TestOtherUsers(t *testing.T) {
	const friend, reader, stranger = 12345, 12346, 12347
	for _, test := range []struct {
		uid         uint32
		others      map[uint32]Right
		about, down string
	}{
		{stranger, nil, "permission denied", "permission denied"},
		{stranger, map[uint32]Right{friend: Operate}, "may not use this socket", "may not use this socket"},
		{reader, map[uint32]Right{friend: Operate, reader: Look}, "<nil>", "may look, and nothing else"},
		{friend, map[uint32]Right{friend: Operate}, "<nil>", "<nil>"},
	} {
		path := filepath.Join(open(t), "lastout", "shop.sock")
		l, err := OpenSocket(SocketOptions{Path: path, Others: len(test.others) > 0})
		if err != nil {
			t.Fatal(err)
		}
		f := newFake()
		server := NewServer(Options{System: f, Recorder: NewRecorder(1), Access: Access{Others: test.others}})
		server.Serve(l)
		said := askAs(t, test.uid, path)
		server.Close(0)
		about, down, _ := strings.Cut(said, "\n")
		if !strings.Contains(about, test.about) || !strings.Contains(down, test.down) {
			t.Errorf("user %d: %s", test.uid, said)
		}
		if (len(f.stopped) > 0) != (test.down == "<nil>") {
			t.Errorf("user %d stopped it: %q", test.uid, f.stopped)
		}
	}
}

func TestPlaces(t *testing.T) {
	for _, test := range []struct {
		uid     int
		runtime string
		want    string
	}{
		{0, "", "/run/lastout/x.sock /tmp/lastout-0/x.sock /run/user/0/lastout/x.sock"},
		{0, "/run/user/0", "/run/user/0/lastout/x.sock /run/lastout/x.sock /tmp/lastout-0/x.sock"},
		{7, "", "/tmp/lastout-7/x.sock /run/user/7/lastout/x.sock"},
		{7, "/run/user/7", "/run/user/7/lastout/x.sock /tmp/lastout-7/x.sock"},
		{7, "relative", "/tmp/lastout-7/x.sock /run/user/7/lastout/x.sock"},
	} {
		got := strings.Join(Places("x", test.uid, func(string) string { return test.runtime }), " ")
		if got != test.want {
			t.Errorf("uid %d, %q: %s", test.uid, test.runtime, got)
		}
	}
}

func TestBarrier(t *testing.T) {
	dir := open(t)
	for _, name := range []string{"a", "a/b", "a/b/c"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(dir, "a/b/c/s.sock")
	if got := Barrier(socket); got != "" {
		t.Errorf("%s is in the way", got)
	}
	if err := os.Chmod(filepath.Join(dir, "a/b"), 0o710); err != nil {
		t.Fatal(err)
	}
	if got := Barrier(socket); got != filepath.Join(dir, "a/b") {
		t.Errorf("%q is in the way", got)
	}
}

// skip skips a test that cannot be had here, and fails it where everything is expected to be had.
func skip(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv("LASTOUT_CI") == "1" {
		t.Fatalf("cannot be tested here, and should be: %s", reason)
	}
	t.Skip(reason)
}
