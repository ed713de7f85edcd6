// Mutants breaks the core by hand-written patches, one at a time, and demands that the tests notice each of them. It is
// what makes "simulated" and "tested" mean something: a test that no fault can fail is worth nothing.
//
//	go run ./testdata/mutants [-v] [-sample N] [NAME...]
//
// Each NAME.txtar beside this file is a mutant: a comment that says what is broken, then pairs of sections named
// "old FILE" and "new". The text of old, without its last newline, must stand exactly once in FILE, which is replaced by
// an overlay: nothing is written into the tree. A mutant whose text is not found, or that does not compile, is an error
// like one that survives.
//
// With -sample only N of them are tried, drawn by the commit, so that the same commit is judged alike and others try
// others; that the text of each can be found is looked at for all.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// stages are the tests that are run until one of them fails: quick ones first.
var stages = [][]string{
	{"./supervisor", "-run=^TestSim$", "-sim.worlds=3000", "-timeout=60s"},
	{"./ordering", "./supervisor", "-skip=^TestSim", "-timeout=120s"},
	{"./supervisor", "-run=^TestSim$", "-timeout=300s"},
}

type mutant struct {
	name  string
	about string
	edits []edit
}

type edit struct{ file, old, new string }

func main() {
	verbose := flag.Bool("v", false, "show what the failing test said")
	sample := flag.Int("sample", 0, "try so many of them, drawn by the commit; 0: all")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, *verbose, *sample, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, verbose bool, sample int, names []string) error {
	root, err := moduleRoot(ctx)
	if err != nil {
		return err
	}
	mutants, err := load(filepath.Join(root, "testdata", "mutants"), names)
	if err != nil {
		return err
	}
	if mutants, err = draw(ctx, root, mutants, sample); err != nil {
		return err
	}
	if what, said := try(ctx, root, ""); what != "" {
		return fmt.Errorf("the tests fail without any mutant: %s\n%s", what, said)
	}
	bad := 0
	for _, m := range mutants {
		begin := time.Now()
		verdict, said, ok := m.judge(ctx, root)
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		if !ok {
			bad++
		}
		fmt.Printf("%-34s %5.1fs  %s\n", m.name, time.Since(begin).Seconds(), verdict)
		if verbose {
			fmt.Printf("    %s\n%s\n", m.about, said)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d mutants were not killed", bad, len(mutants))
	}
	fmt.Printf("all %d mutants were killed\n", len(mutants))
	return nil
}

// draw looks whether each mutant can be applied, and picks a sample of them.
func draw(ctx context.Context, root string, mutants []mutant, sample int) ([]mutant, error) {
	if sample <= 0 || sample >= len(mutants) {
		return mutants, nil
	}
	for _, m := range mutants {
		if _, err := m.broken(root); err != nil {
			return nil, fmt.Errorf("mutant %s cannot be applied: %w", m.name, err)
		}
	}
	git := exec.CommandContext(ctx, "git", "rev-parse", "HEAD")
	git.Dir = root
	commit, err := git.Output()
	if err != nil {
		return nil, fmt.Errorf("cannot find the commit that a sample is drawn by: %w", err)
	}
	fmt.Printf("%d of %d mutants, drawn by commit %s", sample, len(mutants), commit)
	drawn := rand.New(rand.NewChaCha8(sha256.Sum256(commit))).Perm(len(mutants))[:sample]
	slices.Sort(drawn)
	var picked []mutant
	for _, n := range drawn {
		picked = append(picked, mutants[n])
	}
	return picked, nil
}

func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// load reads the mutants of a directory, or those named.
func load(dir string, names []string) ([]mutant, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if len(names) > 0 && !slices.Contains(names, name) {
			continue
		}
		archive, err := txtar.ParseFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read mutant: %w", err)
		}
		m := mutant{name: name, about: strings.TrimSpace(string(archive.Comment))}
		if m.edits, err = edits(archive.Files); err != nil {
			return nil, fmt.Errorf("mutant %s: %w", name, err)
		}
		mutants = append(mutants, m)
	}
	if len(mutants) == 0 {
		return nil, fmt.Errorf("no mutant of %q in %s", names, dir)
	}
	return mutants, nil
}

// edits takes the sections of a mutant in pairs.
func edits(sections []txtar.File) ([]edit, error) {
	if len(sections) == 0 || len(sections)%2 != 0 {
		return nil, errors.New("it is not made of pairs of sections")
	}
	var list []edit
	for pair := range slices.Chunk(sections, 2) {
		file, ok := strings.CutPrefix(pair[0].Name, "old ")
		if !ok || pair[1].Name != "new" {
			return nil, fmt.Errorf(`sections %q and %q are not "old FILE" and "new"`, pair[0].Name, pair[1].Name)
		}
		list = append(list, edit{file: file, old: text(pair[0]), new: text(pair[1])})
	}
	return list, nil
}

// text is what a section holds, without the newline that every section ends with.
func text(section txtar.File) string { return strings.TrimSuffix(string(section.Data), "\n") }

// judge applies a mutant and runs the tests. The verdict is for people.
func (m mutant) judge(ctx context.Context, root string) (verdict, said string, ok bool) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return err.Error(), "", false
	}
	defer os.RemoveAll(dir)
	overlay, packages, err := m.overlay(root, dir)
	if err != nil {
		return "NOT APPLIED: " + err.Error(), "", false
	}
	build := exec.CommandContext(ctx, "go", append([]string{"build", "-overlay", overlay}, packages...)...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return "DOES NOT COMPILE", string(out), false
	}
	what, said := try(ctx, root, overlay)
	if what == "" {
		return "SURVIVED", "", false
	}
	return "killed by " + what, said, true
}

// broken are the files that a mutant breaks, as it leaves them.
func (m mutant) broken(root string) (map[string]string, error) {
	texts := make(map[string]string)
	for _, e := range m.edits {
		path := filepath.Join(root, e.file)
		if _, ok := texts[path]; !ok {
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			texts[path] = string(text)
		}
		if n := strings.Count(texts[path], e.old); n != 1 {
			return nil, fmt.Errorf("its text stands %d times in %s:\n%s", n, e.file, e.old)
		}
		texts[path] = strings.Replace(texts[path], e.old, e.new, 1)
	}
	return texts, nil
}

// overlay writes the broken files and the overlay that puts them in the place of the good ones.
func (m mutant) overlay(root, dir string) (file string, packages []string, err error) {
	texts, err := m.broken(root)
	if err != nil {
		return "", nil, err
	}
	for _, e := range m.edits {
		packages = append(packages, "./"+filepath.Dir(e.file))
	}
	replace := make(map[string]string)
	for path, text := range texts {
		replace[path] = filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(replace[path], []byte(text), 0o600); err != nil {
			return "", nil, err
		}
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, packages, os.WriteFile(file, data, 0o600)
}

var (
	failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)
	world  = regexp.MustCompile(`(?m)world \d+: (.*)$`)
)

// try runs the tests, with an overlay or without, and tells which of them failed, and what it said; "" if none did.
func try(ctx context.Context, root, overlay string) (what, said string) {
	for _, stage := range stages {
		args := append([]string{"test", "-count=1", "-failfast", "-overlay=" + overlay}, stage...)
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = root
		out, err := cmd.CombinedOutput()
		if err == nil {
			continue
		}
		what = "a crash or a test that does not end"
		if names := failed.FindAllSubmatch(out, -1); len(names) > 0 {
			what = string(names[len(names)-1][1])
			what, _, _ = strings.Cut(what, "/shard")
		}
		if found := world.FindSubmatch(out); found != nil {
			what += ": " + clip(string(found[1]), 90)
		}
		return what, string(bytes.TrimSpace(out))
	}
	return "", ""
}

func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "..."
	}
	return s
}
