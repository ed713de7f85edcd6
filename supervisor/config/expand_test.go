package config

import (
	"slices"
	"strings"
	"testing"
)

func testScope() scope {
	vars := map[string]string{"HOME": "/home/me", "EMPTY": "", "_x1": "under", "DOLLAR": "${HOME} {name} $$"}
	return scope{name: "api", instance: 2, port: 8001, lookup: func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}}
}

// TestExpand is what is resolved, and what is left as it stands.
func TestExpand(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""},
		{"plain", "plain"},
		{"{name}.{instance}:{port}", "api.2:8001"},
		{"${HOME}/x", "/home/me/x"},
		{"${_x1}${_x1}", "underunder"},
		{"${EMPTY}", ""},
		{"${EMPTY:-full}", "full"},
		{"${NOPE:-a b:-c{name}}", "a b:-c{name}"},
		{"${NOPE:-}", ""},
		{"${HOME:-x}", "/home/me"},
		{"$$HOME $${HOME} $$$$", "$HOME ${HOME} $$"},
		{"$HOME $ $1 $(x)", "$HOME $ $1 $(x)"},
		{"{} {x} {instance {name", "{} {x} {instance {name"},
		{"{Name} { name } {{name}}", "{Name} { name } {api}"},
		{"${DOLLAR}", "${HOME} {name} $$"},
		{"ä{name}ö", "äapiö"},
		{"^[0-9]{3}$", "^[0-9]{3}$"},
	} {
		got, problems := testScope().expand(c[0])
		if got != c[1] || problems != nil {
			t.Errorf("%q expands to %q %q, want %q", c[0], got, problems, c[1])
		}
	}
}

// TestExpandProblems is what cannot be resolved: all of it is told.
func TestExpandProblems(t *testing.T) {
	portless, tree := testScope(), testScope()
	portless.port = 0
	tree.name = ""
	for _, c := range []struct {
		scope scope
		in    string
		want  []string
	}{
		{testScope(), "${A}${HOME}${B}", []string{"${A} is not set", "${B} is not set"}},
		{testScope(), "x${HOME", []string{`"${" without "}"`}},
		{testScope(), "${}", []string{`"${}" is none of`}},
		{testScope(), "${1}", []string{`"${1}" is none of`}},
		{testScope(), "${A-x}", []string{`"${A-x}" is none of`}},
		{testScope(), "${A:?x}", []string{`"${A:?x}" is none of`}},
		{portless, "{port}{name}", []string{"{port} stands here"}},
		{tree, "{port}{name}{instance}", []string{"{port} has no", "{name} has no", "{instance} has no"}},
	} {
		_, problems := c.scope.expand(c.in)
		if !slices.EqualFunc(problems, c.want, strings.HasPrefix) {
			t.Errorf("%q: %q, want what begins with %q", c.in, problems, c.want)
		}
	}
}
