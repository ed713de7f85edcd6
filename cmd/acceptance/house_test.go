package acceptance

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport is the house's plan: for each folder, what of ours and of others it may import beside the standard library.
// A folder that is not listed may not exist.
var mayImport = map[string][]string{
	"ordering": {},
	"process": {
		"lastout/process/cgroup", "lastout/process/register", "lastout/process/shim", "lastout/process/signame",
		"golang.org/x/sys/unix",
	},
	"process/cgroup":     {"golang.org/x/sys/unix"},
	"process/held":       {"golang.org/x/sys/unix"},
	"process/recent":     {},
	"process/register":   {"golang.org/x/sys/unix"},
	"process/shim":       {"golang.org/x/sys/unix"},
	"process/signame":    {},
	"process/output":     {"lastout/process/recent", "golang.org/x/sys/unix"},
	"process/quiesce":    {"lastout/process/sockdiag", "golang.org/x/sys/unix"},
	"process/systemd":    {},
	"process/sockdiag":   {"golang.org/x/sys/unix"},
	"supervisor":         {"lastout/ordering"},
	"supervisor/image":   {},
	"supervisor/journal": {"lastout/ordering", "lastout/supervisor"},
	"supervisor/report":  {"lastout/ordering", "lastout/supervisor", "lastout/process/signame"},
	"supervisor/control": {
		"lastout/process/recent", "lastout/process/signame", "lastout/supervisor", "lastout/supervisor/report",
		"golang.org/x/sys/unix",
	},
	"supervisor/config": {
		"lastout/ordering", "lastout/supervisor", "lastout/process/cgroup", "lastout/process/held", "lastout/process/shim", "lastout/process/signame",
		"github.com/BurntSushi/toml", "github.com/joho/godotenv", "golang.org/x/sys/unix",
	},
	"supervisor/engine": {
		"lastout/ordering", "lastout/supervisor", "lastout/supervisor/config", "lastout/process",
		"lastout/process/cgroup", "lastout/process/held", "lastout/process/output", "lastout/process/quiesce", "lastout/process/recent",
		"lastout/process/register", "lastout/process/shim", "lastout/process/signame", "lastout/process/sockdiag",
		"golang.org/x/sys/unix",
	},
	"cmd/lastout": {
		"lastout/ordering", "lastout/supervisor", "lastout/supervisor/config", "lastout/supervisor/engine",
		"lastout/supervisor/image", "lastout/supervisor/journal", "lastout/supervisor/report", "lastout/supervisor/control", "lastout/process",
		"lastout/process/held",
		"lastout/process/output", "lastout/process/recent", "lastout/process/register", "lastout/process/signame",
		"lastout/process/systemd",
		"lastout/cmd/lastout/demo", "lastout/cmd/lastout/help",
		"lastout/cmd/lastout/bare", "lastout/cmd/lastout/guardian", "lastout/cmd/lastout/onecmd", "lastout/cmd/lastout/rehearse",
		"github.com/urfave/cli/v2", "github.com/rs/zerolog", "golang.org/x/sys/unix",
	},
	"cmd/lastout/demo": {
		"lastout/cmd/lastout/load", "lastout/cmd/lastout/rehearse", "lastout/ordering", "lastout/supervisor/report",
		"golang.org/x/sys/unix",
	},
	"cmd/lastout/help":     {},
	"cmd/lastout/bare":     {"lastout/process/signame"},
	"cmd/lastout/guardian": {"lastout/cmd/lastout/bare"},
	"cmd/lastout/onecmd":   {"lastout/cmd/lastout/bare", "lastout/process/signame"},
	"cmd/lastout/load":     {"golang.org/x/sys/unix"},
	"cmd/lastout/rehearse": {
		"lastout/cmd/lastout/load", "lastout/ordering", "lastout/supervisor", "lastout/supervisor/journal",
		"lastout/supervisor/report", "golang.org/x/sys/unix",
	},
	"cmd/acceptance":       {},
	"cmd/acceptance/child": {"golang.org/x/sys/unix"},
	"cmd/acceptance/web":   {},
}

// pure lists the folders that decide and never act: no goroutine, no channel, no clock, nothing of the outside.
var pure = []string{"ordering", "supervisor", "supervisor/image", "supervisor/journal", "supervisor/report"}

// outside are packages of the standard library that a pure folder has no use for.
var outside = []string{"os", "os/exec", "os/signal", "net", "net/http", "io/fs", "math/rand", "runtime", "sync", "context"}

// TestHouse holds the arrows between the folders, and that the pure ones are pure.
func TestHouse(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dir, err := filepath.Rel("../..", filepath.Dir(path))
			if err != nil {
				return err
			}
			seen[dir] = true
			judgeFile(t, dir, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range mayImport {
		if !seen[dir] {
			t.Errorf("the plan lists %s, which has no code", dir)
		}
	}
}

func judgeFile(t *testing.T, dir, path string) {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	allowed, planned := mayImport[dir]
	if !planned {
		t.Errorf("%s is not in the plan of the house", dir)
	}
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		ours := strings.HasPrefix(name, "lastout/") || strings.Contains(strings.Split(name, "/")[0], ".")
		if ours && !slices.Contains(allowed, name) {
			t.Errorf("%s: %s may not import %s", set.Position(spec.Pos()), dir, name)
		}
		if slices.Contains(pure, dir) && slices.Contains(outside, name) {
			t.Errorf("%s: %s is pure and may not import %s", set.Position(spec.Pos()), dir, name)
		}
	}
	if slices.Contains(pure, dir) {
		judgePure(t, set, file)
	}
}

func judgePure(t *testing.T, set *token.FileSet, file *ast.File) {
	ast.Inspect(file, func(n ast.Node) bool {
		what := ""
		switch n := n.(type) {
		case *ast.GoStmt:
			what = "starts a goroutine"
		case *ast.ChanType:
			what = "has a channel"
		case *ast.SelectStmt:
			what = "selects"
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" &&
				slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker"}, n.Sel.Name) {
				what = "has a clock (time." + n.Sel.Name + ")"
			}
		}
		if what != "" {
			t.Errorf("%s: a pure package %s", set.Position(n.Pos()), what)
		}
		return true
	})
}
