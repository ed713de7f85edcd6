package quiesce

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"testing"
)

// TestPrograms quiesces programs as they are, each by all ways that can be had.
func TestPrograms(t *testing.T) {
	for _, p := range []struct {
		name string
		argv []string
	}{
		{"python", []string{"python3", "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"}},
		{"node", []string{"node", "-e", `require("http").createServer((q, r) => r.end("hello")).` +
			`listen(0, "127.0.0.1", function () { console.log("port " + this.address().port) })`}},
	} {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.argv[0]); err != nil {
				skip(t, err.Error()) // its behaviour is that of the helper; it is here to show that nothing of ours is needed
			}
			t.Parallel()
			tryProgram(t, p.argv)
		})
	}
}

var portIn = regexp.MustCompile(`port (\d+)`)

func tryProgram(t *testing.T, argv []string) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = t.TempDir()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	port := portIn.FindStringSubmatch(line)
	if err != nil || port == nil {
		t.Fatalf("the program said %q: %v", line, err)
	}
	list, _ := Listeners([]int{cmd.Process.Pid})
	if len(list) != 1 {
		t.Fatalf("found %v", list)
	}
	defer list[0].Close()
	get := func(c net.Conn) {
		t.Helper()
		own := func(context.Context, string, string) (net.Conn, error) { return c, nil }
		tr := &http.Transport{DialContext: own, DisableKeepAlives: true}
		resp, err := (&http.Client{Transport: tr, Timeout: bound}).Get("http://127.0.0.1:" + port[1])
		if err != nil {
			t.Errorf("a client was lost: %v", err)
			return
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Errorf("an answer was cut: %v", err)
		}
		resp.Body.Close()
	}
	dial := func() net.Conn {
		t.Helper()
		c, err := net.DialTimeout("tcp", "127.0.0.1:"+port[1], bound)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, way := range Best {
		before := dial()
		_, err := list[0].Quiesce(way)
		if want := can(t, way, server{}); want != nil {
			if !errors.Is(err, want) {
				t.Errorf("%v: %v", way, err)
			}
			get(before)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port[1], quick); err == nil {
			c.Close()
			t.Errorf("%v: a client got in", way)
		}
		get(before)
		if err := list[0].Undo(); err != nil {
			t.Fatal(err)
		}
		get(dial())
	}
}
