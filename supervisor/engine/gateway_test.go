package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// gatewayHelper serves HTTP and leaves when it has answered, at QUIT or TERM. It says where it listens. Of /hold it says
// that it has it in hand, and answers when the pipe $DIR/hold gives a line; /big/N is an answer of N bytes; /more has it
// listen once more. With the option "stays" it does not leave at QUIT, with "rude" it does not answer before it leaves,
// with "unix" it listens at $DIR/socket too, with "tells" it writes its address to the pipe $DIR/address, and with "inner" it answers
// /inner by a request to a further listener of its own.
func gatewayHelper(options []string) int {
	server := &http.Server{Handler: http.HandlerFunc(serveGateway)}
	told := make(chan os.Signal, 4)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGQUIT)
	if slices.Contains(options, "inner") {
		var err error
		if inner, err = listenMore(server, "listens inside"); err != nil {
			return fail(err)
		}
	}
	address, err := listenMore(server, "listens")
	if err != nil {
		return fail(err)
	}
	if slices.Contains(options, "tells") {
		if err := os.WriteFile(os.Getenv("DIR")+"/address", []byte(address+"\n"), 0); err != nil {
			return fail(err)
		}
	}
	more = func() {
		if _, err := listenMore(server, "listens too"); err != nil {
			os.Exit(fail(err))
		}
	}
	if slices.Contains(options, "unix") {
		l, err := net.Listen("unix", os.Getenv("DIR")+"/socket")
		if err != nil {
			return fail(err)
		}
		go server.Serve(l)
		fmt.Println("listens on a path")
	}
	sig := <-told
	for sig == syscall.SIGQUIT && slices.Contains(options, "stays") {
		fmt.Println("heard QUIT")
		sig = <-told
	}
	if sig == syscall.SIGQUIT {
		fmt.Println("finishes")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if slices.Contains(options, "rude") {
		return 0
	}
	if err := server.Shutdown(ctx); err != nil {
		return fail(err)
	}
	return 0
}

// inner is where the gateway listens for itself.
var inner string

// throughInner has a request answered by the listener inside, over a connection of its own.
func throughInner() error {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Get("http://" + inner + "/")
	if err != nil {
		return err
	}
	return answer.Body.Close()
}

// more has the gateway listen once more.
var more func()

func listenMore(server *http.Server, what string) (address string, err error) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false)
	l, err := plain.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go server.Serve(l)
	fmt.Println(what, "at", l.Addr())
	return l.Addr().String(), nil
}

func serveGateway(w http.ResponseWriter, r *http.Request) {
	var size int
	switch _, err := fmt.Sscanf(r.URL.Path, "/big/%d", &size); {
	case err == nil:
		fmt.Fprint(w, strings.Repeat("x", size))
		if f, ok := w.(http.Flusher); ok {
			f.Flush()
		}
		fmt.Println("sent all")
	case r.URL.Path == "/hold":
		fmt.Println("holds a request")
		waitFor(os.Getenv("DIR") + "/hold")
		fmt.Fprintln(w, "late, and well")
	case r.URL.Path == "/inner":
		if err := throughInner(); err != nil {
			w.WriteHeader(http.StatusBadGateway)
			fmt.Println("inner:", err)
		}
	case r.URL.Path == "/more":
		more()
	default:
		fmt.Fprintln(w, "well")
	}
}
