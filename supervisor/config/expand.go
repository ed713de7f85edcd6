package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// scope is what the strings of one instance may name.
type scope struct {
	name     string // {name}: the process; "": strings of the whole tree, which have neither name nor instance
	instance int    // {instance}
	port     int    // {port}; 0: the process has none
	lookup   func(name string) (string, bool)
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand resolves {instance}, {name}, {port}, ${VAR}, ${VAR:-x} and $$; any other brace or dollar is literal. The
// default after :- stands for an empty variable too, as in a shell. The problems are all that is wrong.
func (sc scope) expand(s string) (expanded string, problems []string) {
	if !strings.ContainsAny(s, "${") {
		return s, nil
	}
	var b strings.Builder
	for len(s) > 0 {
		text, rest, problem := sc.part(s)
		b.WriteString(text)
		s = rest
		if problem != "" {
			problems = append(problems, problem)
		}
	}
	return b.String(), problems
}

// part resolves what stands at the head of s.
func (sc scope) part(s string) (text, rest, problem string) {
	switch {
	case strings.HasPrefix(s, "$$"):
		return "$", s[2:], ""
	case strings.HasPrefix(s, "${"):
		inner, rest, closed := strings.Cut(s[2:], "}")
		if !closed {
			return "", "", `"${" without "}" (write "$${" for the characters themselves)`
		}
		text, problem = sc.variable(inner)
		return text, rest, problem
	case s[0] == '{':
		for _, word := range []string{"{instance}", "{name}", "{port}"} {
			if strings.HasPrefix(s, word) {
				text, problem = sc.word(word)
				return text, s[len(word):], problem
			}
		}
	}
	n := 1 + strings.IndexAny(s[1:], "${")
	if n == 0 {
		n = len(s)
	}
	return s[:n], s[n:], ""
}

// variable resolves what stands between ${ and }.
func (sc scope) variable(inner string) (text, problem string) {
	name, otherwise, hasDefault := strings.Cut(inner, ":-")
	if !variable.MatchString(name) {
		return "", fmt.Sprintf(`"${%s}" is none of ${VAR} and ${VAR:-default} (write "$${" for the characters themselves)`,
			inner)
	}
	value, set := sc.lookup(name)
	switch {
	case hasDefault && value == "":
		return otherwise, ""
	case !set && !hasDefault:
		return "", fmt.Sprintf("${%s} is not set (set it, or give a default: ${%s:-...})", name, name)
	}
	return value, ""
}

// word resolves {instance}, {name} and {port}.
func (sc scope) word(word string) (text, problem string) {
	switch {
	case sc.name == "":
		return "", word + " has no meaning here: this is not about one process"
	case word == "{instance}":
		return strconv.Itoa(sc.instance), ""
	case word == "{name}":
		return sc.name, ""
	case sc.port == 0:
		return "", "{port} stands here, and the process has no port (give it one: port = 8000)"
	}
	return strconv.Itoa(sc.port), ""
}
