package engine

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastout/ordering"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

const nginxConfig = `
daemon off; master_process on; worker_processes 2; pid %[1]s/pid; error_log stderr warn;
events { }
http {
	access_log off; client_header_timeout 60s;
	client_body_temp_path %[1]s/t1; proxy_temp_path %[1]s/t2; fastcgi_temp_path %[1]s/t3; uwsgi_temp_path %[1]s/t4;
	scgi_temp_path %[1]s/t5;
	server { listen %[2]s; location / { proxy_pass http://%[3]s; } }
}
`

// nginxHelper becomes nginx, in front of the server whose address the pipe $DIR/address gives. nginx takes no free port
// by itself, so it is handed a listener, by its own dialect.
func nginxHelper(args []string) int {
	dir := os.Getenv("DIR")
	pipe, err := os.Open(dir + "/address")
	if err != nil {
		return fail(err)
	}
	app, err := bufio.NewReader(pipe).ReadString('\n')
	if err != nil {
		return fail(err)
	}
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(context.Background(), "tcp4", "127.0.0.1:0")
	if err != nil {
		return fail(err)
	}
	file, err := l.(*net.TCPListener).File()
	if err == nil {
		err = syscall.Dup3(int(file.Fd()), 100, 0) // Fd makes it block, for nginx too
	}
	if err == nil {
		err = syscall.SetNonblock(100, true)
	}
	if err == nil {
		text := fmt.Sprintf(nginxConfig, dir, l.Addr(), strings.TrimSpace(app))
		err = os.WriteFile(dir+"/nginx.conf", []byte(text), 0o600)
	}
	if err != nil {
		return fail(err)
	}
	fmt.Println("listens at", l.Addr())
	env := append(os.Environ(), "NGINX=100;")
	return fail(syscall.Exec(args[0], []string{"nginx", "-e", "stderr", "-c", dir + "/nginx.conf"}, env))
}

// nginx as it is: what is in hand is answered, nobody else gets in, and a client that never said a word does not make it
// wait for client_header_timeout.
func TestNginx(t *testing.T) {
	program, err := exec.LookPath("nginx")
	if err != nil {
		skip(t, "nginx is not here: apt-get install nginx-light")
	}
	r := newRig(t)
	hold := r.fifo("hold")
	r.fifo("address")
	r.add("app", ordering.Worker, "").Process.Instances[0].Command = r.helper("gateway", "tells")
	edge := r.add("edge", ordering.Gateway, "", "app")
	edge.Process.Instances[0].Command = r.helper("nginx", program)
	edge.Process.Instances[0].Drain = config.Drain{Quiet: 100 * time.Millisecond}
	edge.Spec.Drain = supervisor.Drain{
		Quiesce: true, Invite: supervisor.Invite{Signal: syscall.SIGQUIT}, Until: supervisor.UntilExit, Timeout: patient,
		Settle: time.Second,
	}
	r.start()
	address := r.address("listens")
	first, slow, silent := r.dial(address), r.dial(address), r.dial(address)
	first.ask("/")
	first.answered() // it serves
	slow.ask("/hold")
	r.out.await("holds a request")
	r.host.Stop("test")
	r.quiesced()
	r.turnedAway(address)
	hold.release()
	slow.answered()
	if _, err := silent.Read(make([]byte, 1)); err == nil {
		t.Error("somebody spoke to the silent one")
	}
	if out := r.wait(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	if cause := r.first1("edge", supervisor.Drained).Cause; cause != "exited" && cause != "nothing but preconnects" {
		t.Errorf("drained by %q", cause)
	}
	if took := r.first1("edge", supervisor.Stopped).At - r.quiesced().At; took > 5*time.Second {
		t.Errorf("it took %v to leave", took)
	}
}
