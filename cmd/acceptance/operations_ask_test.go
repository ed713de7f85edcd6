package acceptance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"time"
)

// fileOf is a configuration; who is not there is needed by nobody.
func fileOf(nodes []node) string {
	var b strings.Builder
	for _, n := range present(nodes) {
		if n.instances > 0 {
			b.WriteString(strings.Replace(n.toml(nodes), "$DIR/"+n.name, "$DIR/"+n.name+".{instance}", 1))
			fmt.Fprintf(&b, "instances = %d\nstop = { timeout = %q }\n", n.instances, n.patience)
		}
	}
	return b.String()
}

// present are the nodes without what they need of those who are not there.
func present(nodes []node) []node {
	nodes = slices.Clone(nodes)
	for i := range nodes {
		gone := func(j int) bool { return nodes[j].instances == 0 }
		nodes[i].needs = slices.DeleteFunc(slices.Clone(nodes[i].needs), gone)
		if nodes[i].instances == 0 {
			nodes[i].needs = nil
		}
	}
	return nodes
}

// changed is another file of the same processes: some are gone from it, some are there again or changed.
func (o *operated) changed(rnd *rand.Rand) []node {
	nodes := slices.Clone(o.file)
	other := randomTree(rnd, len(nodes))
	for i := range nodes {
		switch n := &nodes[i]; rnd.IntN(20) {
		case 0, 1:
			n.instances = 0
		case 2, 3, 4:
			n.instances = 1 + rnd.IntN(3)
		case 5, 6:
			n.leave = time.Duration(rnd.IntN(30)) * time.Millisecond // it is another command
		case 7:
			n.patience += time.Second // nothing that needs another run
		case 8, 9:
			n.needs = o.othersOf(i, other[i].needs)
		}
	}
	return nodes
}

// othersOf are those of some whom a process may need: a service, none but services.
func (o *operated) othersOf(i int, needs []int) []int {
	return slices.DeleteFunc(needs, func(j int) bool {
		return o.nodes[i].role == "service" && o.nodes[j].role != "service"
	})
}

// post sends a request, and gives what was answered; 0 where the connection ended without.
func (o *operated) post(verb string, request map[string]any) (status int, text string) {
	body, err := json.Marshal(request)
	if err != nil {
		o.t.Error(err)
	}
	resp, err := o.client.Post("http://lastout/v1/"+verb, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(got)
}

// ask asks for an operation, and books what was answered.
func (o *operated) ask(verb string, request map[string]any) (op uint64, result string) {
	status, text := o.post(verb, request)
	var answer struct {
		ID     uint64
		Result string
	}
	switch status {
	case http.StatusOK, http.StatusAccepted:
		if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.ID == 0 {
			o.t.Errorf("%s %v: answered %q: %v", verb, request, text, err)
		}
		result = answer.Result
	case http.StatusConflict:
		result = "refused"
	case http.StatusNotFound: // it is gone from the file
		result = "unknown"
	default:
		if !o.stopping() {
			o.t.Errorf("%s %v: answered %d %s", verb, request, status, text)
		}
		result = "too late"
	}
	o.count(verb + " " + result)
	return answer.ID, result
}

func (o *operated) count(what string) {
	o.told.Lock()
	defer o.told.Unlock()
	o.counts[what]++
}

func (o *operated) answers() map[string]int {
	o.told.Lock()
	defer o.told.Unlock()
	return o.counts
}

// stopping says that the journal knows of a shutdown, or has ended.
func (o *operated) stopping() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.ended || slices.ContainsFunc(o.entries, func(e entry) bool { return e.Phase != "" && e.Phase != "up" })
}
