package acceptance

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var operationsSeed = flag.Uint64("operations.seed", 0, "run TestRandomOperations with this seed only")

// lanes is how many clients ask for operations at the same time.
const lanes = 8

// TestRandomOperations has several clients throw random operations and changed files at a tree of 20 processes: each is
// answered, the order is kept at every moment, and when the tree has gone down nothing of it is left, nor was anything of
// lastout's own.
func TestRandomOperations(t *testing.T) {
	total := 1000
	if testing.Short() {
		total = 100
	}
	seed := uint64(time.Now().UnixNano())
	if *operationsSeed != 0 {
		seed = *operationsSeed
	}
	t.Logf("-operations.seed=%d", seed)
	o := newOperated(t, seed)
	before := o.usage()
	o.throw(total)
	o.restore()
	after := o.usage()
	t.Logf("before %v, after %v; %v", before, after, o.answers())
	if after.descriptors > before.descriptors+2*lanes {
		t.Errorf("%d descriptors have become %d", before.descriptors, after.descriptors)
	}
	// The shutdown meets operations that are under way, and others that come too late.
	rnd := rand.New(rand.NewPCG(seed, lanes))
	for range lanes {
		verb, request := o.draw(rnd)
		o.wg.Go(func() { o.ask(verb, request) })
	}
	if code, _ := o.stop(syscall.SIGTERM); code != 0 {
		t.Errorf("exit %d", code)
	}
	o.wg.Wait()
	o.verify()
	o.judgeAnswers(total)
	o.judgeLives()
}

// operated is a tree that is operated at random.
type operated struct {
	*tree
	seed   uint64
	client *http.Client
	nodes  []node // as the file has them first
	wg     sync.WaitGroup

	quiet sync.RWMutex // held for writing by who wants no operation beside his own

	told   sync.Mutex
	counts map[string]int    // of answers, by verb and what they were
	files  map[uint64][]node // by the number of the reload that took them
	file   []node            // as it was taken last
}

func newOperated(t *testing.T, seed uint64) *operated {
	socket := filepath.Join(t.TempDir(), "c.sock")
	o := &operated{
		seed: seed, nodes: randomTree(rand.New(rand.NewPCG(seed, 20)), 20),
		counts: map[string]int{}, files: map[uint64][]node{},
		client: &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "unix", socket)
			},
			MaxIdleConnsPerHost: lanes,
		}, Timeout: hangs},
	}
	for i := range o.nodes {
		o.nodes[i].leave /= 20
		o.nodes[i].instances, o.nodes[i].patience = 1+i%2, 20*time.Second
	}
	o.file = o.nodes
	o.tree = launch(t, fileOf(o.nodes), "--socket", socket)
	o.untilReady(instancesOf(o.nodes))
	return o
}

func instancesOf(nodes []node) int {
	sum := 0
	for _, n := range nodes {
		sum += n.instances
	}
	return sum
}

// throw asks for operations, several at the same time, until so many were not refused.
func (o *operated) throw(total int) {
	var taken, thrown atomic.Int64
	var wg sync.WaitGroup
	for lane := range lanes {
		rnd := rand.New(rand.NewPCG(o.seed, 100+uint64(lane)))
		wg.Go(func() {
			for taken.Load() < int64(total) && !o.t.Failed() {
				if thrown.Add(1) > 10*int64(total) {
					o.t.Errorf("most are refused: %v", o.answers())
				}
				var result string
				if rnd.IntN(10) == 0 {
					result = o.reload(rnd)
				} else {
					o.quiet.RLock()
					_, result = o.ask(o.draw(rnd))
					o.quiet.RUnlock()
				}
				if result != "refused" && result != "unknown" {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	o.t.Logf("%d thrown, %d taken", thrown.Load(), taken.Load())
}

// draw makes an operation that is no reload up.
func (o *operated) draw(rnd *rand.Rand) (verb string, request map[string]any) {
	n := o.nodes[rnd.IntN(len(o.nodes))]
	request = map[string]any{"names": []string{n.name}}
	verbs := []string{"start", "start", "stop", "restart", "restart", "rolling", "scale", "scale", "drain", "signal"}
	switch verb = verbs[rnd.IntN(len(verbs))]; verb {
	case "start":
		request["names"] = []string{n.name, o.nodes[rnd.IntN(len(o.nodes))].name}
	case "stop":
		request["no_deps"] = rnd.IntN(4) == 0
	case "rolling":
		verb, request["rolling"] = "restart", true
	case "scale":
		request["instances"] = rnd.IntN(4)
	case "drain":
		request["undo"] = rnd.IntN(3) > 0
	case "signal":
		request["signal"] = "CONT"
		return verb, request
	}
	request["wait"] = rnd.IntN(3) > 0
	request["timeout_seconds"] = 3
	if rnd.IntN(10) == 0 {
		request["timeout_seconds"] = 0.02
	}
	return verb, request
}

// reload writes another file and has it taken, now and then a faulty one; often when nothing else is under way, for else
// it is refused.
func (o *operated) reload(rnd *rand.Rand) (result string) {
	o.quiet.Lock()
	defer o.quiet.Unlock()
	if rnd.IntN(4) > 0 {
		o.revive(false)
		o.untilAtRest()
	}
	nodes := o.changed(rnd)
	if rnd.IntN(5) == 0 {
		o.write(fileOf(nodes) + "[process.broken]\ncomand = [\"true\"]\ndepends_on = [\"nobody\"]\n")
		status, text := o.post("reload", map[string]any{"wait": true})
		if status != http.StatusUnprocessableEntity || !strings.Contains(text, "comand") || !strings.Contains(text, "nobody") {
			o.t.Errorf("a faulty file is answered by %d %s", status, text)
		}
		o.count("reload faulty")
		return "faulty"
	}
	return o.take(nodes, rnd.IntN(4) > 0) // what comes while it stops whom it must is refused
}

// take has lastout take a file, and waits until it is in force, if that is wanted: not until all are ready, for who needs
// somebody who was stopped waits for him.
func (o *operated) take(nodes []node, wait bool) (result string) {
	o.write(fileOf(nodes))
	op, result := o.ask("reload", map[string]any{"wait": false})
	if op == 0 {
		return result
	}
	o.told.Lock()
	o.file, o.files[op] = nodes, nodes
	o.told.Unlock()
	if !wait {
		return result
	}
	seen := 0
	o.until("a file to be in force", func(es []entry) bool {
		for _, e := range es[seen:] {
			if e.Op == op && (e.Kind == "reload" || e.Result == "failed") {
				result = e.Kind
			}
		}
		seen = len(es)
		return result != "accepted"
	})
	return result
}

func (o *operated) write(text string) {
	text = strings.NewReplacer("$CHILD", childBin, "$DIR", o.dir).Replace(text)
	if err := os.WriteFile(filepath.Join(o.dir, "lastout.toml"), []byte(text), 0o644); err != nil {
		o.t.Error(err)
	}
}

// untilAtRest waits until no operation is under way but reloads, which have no bound of the client's: they wait for what
// those need whom they start.
func (o *operated) untilAtRest() {
	open, seen := map[uint64]bool{}, 0
	o.until("all operations to be over", func(es []entry) bool {
		for _, e := range es[seen:] {
			switch {
			case e.Kind != "operation" || e.Verb == "reload":
			case e.Result == "accepted":
				open[e.Op] = true
			default:
				delete(open, e.Op)
			}
		}
		seen = len(es)
		return len(open) == 0
	})
}

// revive has everybody of the last file up again, as many as it says.
func (o *operated) revive(wait bool) {
	for _, n := range o.file {
		if n.instances == 0 {
			continue
		}
		names := []string{n.name}
		if n.role == "gateway" {
			o.ask("drain", map[string]any{"names": names, "undo": true, "wait": wait})
		}
		o.ask("scale", map[string]any{"names": names, "instances": n.instances, "wait": wait, "timeout_seconds": 3})
		o.ask("start", map[string]any{"names": names, "wait": wait, "timeout_seconds": 3})
	}
}

// restore makes the tree what it was in the beginning.
func (o *operated) restore() {
	late := time.Now().Add(hangs)
	for result := ""; result != "reload"; {
		o.revive(true)
		o.untilAtRest()
		if result = o.take(o.nodes, true); time.Now().After(late) {
			o.t.Fatalf("the first file cannot be taken again: %v", o.counts)
		}
	}
	o.revive(true)
	for _, n := range o.nodes {
		if _, result := o.ask("start", map[string]any{"names": []string{n.name}, "wait": true}); result != "done" {
			o.t.Errorf("%s cannot be started: %s", n.name, result)
		}
	}
}

// usage is what lastout itself uses. Its memory is for people to read: it has a peak wherever the machine is busy, and a
// collector gives that back when it likes.
type usage struct{ descriptors, kilobytes int }

func (o *operated) usage() usage {
	o.client.CloseIdleConnections()
	dir := fmt.Sprintf("/proc/%d/", o.cmd.Process.Pid)
	fds, err := os.ReadDir(dir + "fd")
	if err != nil {
		o.t.Fatal(err)
	}
	text, err := os.ReadFile(dir + "status")
	if err != nil {
		o.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	size, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		o.t.Fatal(err)
	}
	return usage{len(fds), size}
}
