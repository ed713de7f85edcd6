package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"lastout/process/recent"
	"lastout/supervisor"
	"lastout/supervisor/config"
	"lastout/supervisor/control"
	"lastout/supervisor/report"
)

// lastAnswers bounds how long those who still listen to the control plane hold the end of lastout up.
const lastAnswers = 100 * time.Millisecond

// controlPlane is the control plane of the tree that runs: control.System of a runner, and what it is served on.
type controlPlane struct {
	*runner
	recorder *control.Recorder
	server   *control.Server
	socket   *control.Socket // nil: there is none
	listener net.Listener    // nil: control.listen is off
	began    time.Time
	warning  string // what is not as it should be with the socket
}

// openControl makes the control socket, before anything is started: a second master of the same tree ends here.
func (r *runner) openControl(written string) (*controlPlane, error) {
	p := &controlPlane{runner: r, began: time.Now()}
	instances := 0
	for _, process := range r.config.Processes {
		instances += len(process.Instances)
	}
	p.recorder = control.NewRecorder(instances)
	o, wanted := socketOf(r.config, written)
	if wanted {
		var err error
		p.socket, err = openSocket(&o, control.Places(r.config.Name, os.Getuid(), os.Getenv))
		if err != nil && (o.Written || sameTree(err, r.config.File)) {
			return nil, err
		}
		if err != nil {
			p.warning = err.Error() + "; this tree has no control socket (control.socket gives it another one)"
		} else if dir := control.Barrier(o.Path); o.Others && dir != "" {
			p.warning = fmt.Sprintf("control.allow_users: others cannot go through %s to the control socket (control.socket gives it another place)", dir)
		}
	}
	if address := r.config.Control.Listen; address != "" {
		var err error
		if p.listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", address); err != nil {
			p.remove()
			return nil, fmt.Errorf("cannot listen at control.listen: %w", err)
		}
	}
	return p, nil
}

// openSocket makes the socket: where no place is written and the usual one cannot be had (a file system that is
// read-only, a folder that is missing or another's), at the next one where it is looked for. The error is that of the first.
func openSocket(o *control.SocketOptions, places []string) (*control.Socket, error) {
	socket, first := control.OpenSocket(*o)
	if first == nil || o.Written || os.Getenv("XDG_RUNTIME_DIR") != "" { // who named a folder means that one
		return socket, first
	}
	var busy *control.BusyError
	for _, path := range places[1:] {
		if errors.As(first, &busy) {
			break
		}
		next := *o
		next.Path = path
		socket, err := control.OpenSocket(next)
		if err == nil {
			*o = next
			return socket, nil
		}
		if errors.As(err, &busy) {
			return nil, err
		}
	}
	return nil, first
}

// socketOf is the socket that is to be made: that of the flag, of the file, or the usual one.
func socketOf(cfg *config.Config, written string) (o control.SocketOptions, wanted bool) {
	path := cfg.Control.Socket
	if written != "" {
		path = written
	}
	o = control.SocketOptions{Path: path, Written: path != "", Others: len(cfg.Control.Users) > 0}
	if path == "" {
		o.Path = control.Places(cfg.Name, os.Getuid(), os.Getenv)[0]
	}
	return o, path != config.NoSocket
}

// sameTree says that the other master runs the same file: that is a mistake, even where nobody asked for a socket.
func sameTree(err error, file string) bool {
	busy, ok := err.(*control.BusyError)
	return ok && busy.About != nil && busy.About.File == file
}

// serve begins to answer.
func (p *controlPlane) serve() {
	access := control.Access{Owner: uint32(os.Geteuid()), Others: map[uint32]control.Right{}}
	for _, u := range p.config.Control.Users {
		access.Others[u.UID] = control.Operate
		if u.Reads {
			access.Others[u.UID] = control.Look
		}
	}
	p.server = control.NewServer(control.Options{
		System: p, Recorder: p.recorder, Access: access, Complain: p.log.debug,
	})
	if p.warning != "" {
		p.log.warn(p.warning)
	}
	if p.socket != nil {
		p.log.Debug().Str("socket", p.socket.Path).Msg("the control socket is there")
		p.server.Serve(p.socket)
	}
	if p.listener != nil {
		p.log.info("health and metrics are shown at http://" + p.listener.Addr().String())
		p.server.ServeHealth(p.listener)
	}
}

// close answers those who are still there, within a bound, and takes the socket away.
func (p *controlPlane) close() {
	p.recorder.Close()
	p.server.Close(lastAnswers)
	p.remove()
}

func (p *controlPlane) remove() {
	if p.socket != nil {
		p.socket.Close()
		p.socket.Remove()
	}
}

// About says who answers.
func (p *controlPlane) About() control.About {
	version, _ := buildVersion()
	return control.About{
		Name: p.config.Name, File: p.config.File, PID: os.Getpid(), UID: os.Geteuid(), Version: version, Began: p.began,
	}
}

// Snapshot is the tree as it stands.
func (p *controlPlane) Snapshot() (supervisor.Snapshot, bool) { return p.host.Snapshot() }

// Usage is what the trees use.
func (p *controlPlane) Usage() map[supervisor.Run]control.Usage {
	by := map[supervisor.Run]control.Usage{}
	for run, u := range p.host.Usage() {
		by[run] = control.Usage{Processes: u.Processes, Memory: u.Memory, CPU: control.Seconds(u.CPU.Seconds())}
	}
	return by
}

// Connections are those of the gateways.
func (p *controlPlane) Connections() map[supervisor.Run]control.Connections {
	by := map[supervisor.Run]control.Connections{}
	for run, t := range p.host.Traffic() {
		by[run] = control.Connections(t)
	}
	return by
}

// Unready is why runs are not ready yet.
func (p *controlPlane) Unready() map[supervisor.Run]string { return p.host.Unready() }

// Output is what the instances have written last.
func (p *controlPlane) Output() *recent.Shelf { return p.host.Output() }

// Sinks are where output goes.
func (p *controlPlane) Sinks() []control.Sink {
	var all []control.Sink
	for _, s := range p.host.Sinks() {
		all = append(all, control.Sink(s))
	}
	return all
}

// Shutdown is the report of the shutdown under way.
func (p *controlPlane) Shutdown() *report.Shutdown {
	reports, tree := p.shutdown()
	if len(reports) == 0 {
		return nil
	}
	return report.New(reports, tree)
}

// Operate hands an operation to the machine.
func (p *controlPlane) Operate(o supervisor.Operation) <-chan supervisor.Report {
	return p.host.Operate(o).Answers()
}

// Reload reads the configuration anew, and hands it to the machine.
func (p *controlPlane) Reload(cause string) (<-chan supervisor.Report, error) {
	over := p.manager.reload()
	cfg, err := p.again()
	if err != nil {
		over()
		return nil, faulty(err)
	}
	answers := p.host.Reload(cfg, cause).Answers()
	told := make(chan supervisor.Report, cap(answers)) // so that nobody need listen
	go func() {
		defer over()
		defer close(told)
		for r := range answers {
			told <- r
		}
	}()
	return told, nil
}

// PlanReload says what that would do now.
func (p *controlPlane) PlanReload() (supervisor.ReloadPlan, bool, error) {
	cfg, err := p.again()
	if err != nil {
		return supervisor.ReloadPlan{}, false, faulty(err)
	}
	plan, ok := p.host.PlanReload(cfg)
	return plan, ok, nil
}

// faulty is an error of the configuration as the control plane says it.
func faulty(err error) error {
	var faults *config.Error
	if !errors.As(err, &faults) {
		return err
	}
	told := &control.Faulty{}
	for _, f := range faults.Faults {
		told.Faults = append(told.Faults, f.String())
	}
	return told
}

// Stop asks for an ordered shutdown.
func (p *controlPlane) Stop(cause string) { p.host.Stop(cause) }

// Hurry makes a shutdown urgent, whether it is under way or not.
func (p *controlPlane) Hurry(cause string) { p.host.Hurry(cause) }
