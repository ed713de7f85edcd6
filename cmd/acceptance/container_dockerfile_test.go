package acceptance

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// image is what a Dockerfile makes of its base, in so far as the examples ask for it (the Dockerfile reference).
type image struct {
	base       string
	runs       []string          // what is to be run in the making, which nobody does here
	files      map[string]string // of each path in the image, the file here
	env        []string
	ports      []string
	user       int
	entrypoint []string
	cmd        []string
	stop       string
}

// readDockerfile takes a Dockerfile at its word. What it copies from bin/, where make puts them, are our programs.
func readDockerfile(t testing.TB, file string) *image {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	i := &image{files: map[string]string{}, stop: "SIGTERM"}
	whole := strings.ReplaceAll(string(text), "\\\n", " ")
	for n, line := range strings.Split(whole, "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if err := i.obey(strings.ToUpper(word), strings.TrimSpace(rest)); err != nil {
			t.Fatalf("%s: instruction on line %d, %q: %v", file, n+1, line, err)
		}
	}
	return i
}

// obey carries one instruction out.
func (i *image) obey(word, rest string) error {
	switch word {
	case "FROM":
		i.base = rest
	case "RUN":
		i.runs = append(i.runs, rest)
	case "COPY":
		return i.copy(strings.Fields(rest))
	case "ENV":
		i.env = append(i.env, strings.Fields(rest)...)
	case "EXPOSE":
		i.ports = append(i.ports, strings.Fields(rest)...)
	case "USER":
		user, _, _ := strings.Cut(rest, ":")
		uid, err := strconv.Atoi(user)
		i.user = uid
		return err
	case "STOPSIGNAL":
		i.stop = rest
	case "ENTRYPOINT":
		return json.Unmarshal([]byte(rest), &i.entrypoint)
	case "CMD":
		return json.Unmarshal([]byte(rest), &i.cmd)
	default:
		return fmt.Errorf("%s is not understood here", word)
	}
	return nil
}

// copy puts files of the build's context, which is the top of the project, to a place in the image.
func (i *image) copy(words []string) error {
	if len(words) < 2 {
		return fmt.Errorf("what is to be copied, and where to?")
	}
	to, from := words[len(words)-1], words[:len(words)-1]
	for _, f := range from {
		at := to
		switch {
		case strings.HasSuffix(to, "/"):
			at = to + path.Base(f)
		case len(from) > 1:
			return fmt.Errorf("several files need a folder, with a slash at its end")
		}
		here := filepath.Join("..", "..", f)
		if f == "bin/lastout" {
			here = lastoutBin
		}
		i.files[at] = here
	}
	return nil
}

// argv is what a container of the image runs.
func (i *image) argv() []string {
	return append(i.entrypoint[:len(i.entrypoint):len(i.entrypoint)], i.cmd...)
}

// variable is what the image sets a variable to.
func (i *image) variable(name string) string {
	value := ""
	for _, e := range i.env {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			value = v
		}
	}
	return value
}
