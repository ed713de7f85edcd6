package config

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"lastout/process/signame"
)

// wanted names the types a key may have.
func wanted(r *rule) string {
	names := []struct {
		t    Type
		name string
	}{
		{String, "a string"},
		{Signal, `the name of a signal`},
		{Size, `a size such as "10MiB"`},
		{Duration, `a duration such as "10s"`},
		{Word, "one of " + strings.Join(r.Words, ", ")},
		{Integer, "an integer"},
		{Bool, "true or false"},
		{Strings, "an array of strings"},
		{Integers, "an array of integers"},
		{Tables, "an array of tables"},
		{Table, "a table"},
	}
	var parts []string
	for _, n := range names {
		if r.Type&n.t != 0 {
			parts = append(parts, n.name)
		}
	}
	return strings.Join(parts, " or ")
}

// described names what stands there instead.
func described(v any) string {
	switch v := v.(type) {
	case string:
		return "a string"
	case int64:
		return fmt.Sprintf("the number %d", v)
	case float64:
		return fmt.Sprintf("the number %v", v)
	case bool:
		return fmt.Sprintf("%v", v)
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	case []map[string]any, []any:
		return "an array"
	}
	return fmt.Sprintf("a %T", v)
}

func nearWord(s string, words []string) string {
	if near := Closest(s, words); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

func quoted(v any) string {
	switch v.(type) {
	case int64, float64, bool:
		return fmt.Sprintf(" (did you mean \"%v\"?)", v)
	}
	return ""
}

// meant suggests how the value may have been meant.
func meant(r *rule, v any) string {
	switch v := v.(type) {
	case string:
		return meantByText(r, v)
	case int64:
		if r.Type&Signal != 0 {
			if sig := syscall.Signal(v); signame.Known(sig) {
				return fmt.Sprintf(": did you mean %q?", signame.Of(sig))
			}
			return ""
		}
		return meantByNumber(r, fmt.Sprint(v))
	case float64:
		return meantByNumber(r, fmt.Sprint(v))
	case bool:
		if r.Type&String != 0 {
			return quoted(v)
		}
	case []any:
		if _, ok := r.keys["command"]; ok {
			return ": did you mean { command = [...] }?"
		}
	}
	return ""
}

func meantByNumber(r *rule, number string) string {
	switch {
	case r.Type&Duration != 0:
		return fmt.Sprintf(": did you mean %q?", number+"s")
	case r.Type&Size != 0 && !strings.Contains(number, "."):
		return fmt.Sprintf(": did you mean %q?", number+"B")
	case r.Type&String != 0:
		return fmt.Sprintf(": did you mean %q?", number)
	}
	return ""
}

func meantByText(r *rule, s string) string {
	_, commands := r.keys["shell"]
	_, signals := r.keys["signal"]
	_, notSignal := parseSignal(s)
	switch {
	case r.Type&Strings != 0 && r.OneOf == "command or shell":
		return fmt.Sprintf(": did you mean [%s], or shell = %q?", quoteAll(strings.Fields(s)), s)
	case r.Type&Strings != 0 && commands:
		return fmt.Sprintf(": did you mean [%s], or { shell = %q }?", quoteAll(strings.Fields(s)), s)
	case commands:
		return fmt.Sprintf(": did you mean { shell = %q }?", s)
	case signals && notSignal == nil:
		return fmt.Sprintf(": did you mean { signal = %q }?", s)
	case r.Type&Strings != 0:
		return fmt.Sprintf(": did you mean [%q]?", s)
	case r.Type&Integer != 0 && bareNumber.MatchString(s), r.Type&Bool != 0 && (s == "true" || s == "false"):
		return fmt.Sprintf(": did you mean %s?", s)
	}
	return ""
}

func quoteAll(words []string) string {
	for i, w := range words {
		words[i] = fmt.Sprintf("%q", w)
	}
	return strings.Join(words, ", ")
}
