package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkLoad loads a tree of a thousand processes.
func BenchmarkLoad(b *testing.B) {
	var text strings.Builder
	text.WriteString("[process.p0]\ncommand = [\"./p\"]\n")
	for i := 1; i < 1000; i++ {
		fmt.Fprintf(&text, "[process.p%d]\ncommand = [\"./p\", \"{port}\"]\nport = %d\ndepends_on = [\"p%d\"]\n", i, i+2000, i/2)
	}
	file := filepath.Join(b.TempDir(), "lastout.toml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	env := make([]string, 40)
	for i := range env {
		env[i] = fmt.Sprintf("VARIABLE_%d=value", i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(file, LoadOptions{Env: env}); err != nil {
			b.Fatal(err)
		}
	}
}
