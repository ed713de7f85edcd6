package config

import (
	"fmt"
	"strings"
)

// JSONSchema is the schema of lastout.toml as a JSON Schema (draft-07, json-schema.org), by which editors complete and
// check a file while it is written. What no schema can say, such as who depends on whom, is left to Load.
func JSONSchema() map[string]any {
	s := rules().jsonSchema()
	s["$schema"] = "http://json-schema.org/draft-07/schema#"
	s["title"] = "lastout.toml"
	return s
}

// jsonForms are the forms of what is written as a string.
var jsonForms = []struct {
	of   Type
	form string
}{
	{Duration, `^\+?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`},
	{Signal, `^(SIG)?([A-Z][A-Z0-9]*|RTMIN\+[0-9]+|RTMAX-[0-9]+)$`},
	{Size, size.String()},
}

// jsonSchema is the schema of what a rule lets stand.
func (r *rule) jsonSchema() map[string]any {
	ways := r.jsonWays()
	s := map[string]any{}
	switch len(ways) {
	case 0: // anything
	case 1:
		s = ways[0]
	default:
		s["anyOf"] = ways
	}
	if doc := r.describe(); doc != "" {
		s["description"] = doc
	}
	return s
}

// describe says what a key is for, and what holds without it.
func (r *rule) describe() string {
	text := r.Doc
	if r.OneOf != "" {
		text += fmt.Sprintf(" (one of %s)", r.OneOf)
	}
	if r.Default != "" {
		text += "; default: " + r.Default
	}
	return text
}

// jsonWays are what may stand there, each by itself.
func (r *rule) jsonWays() (ways []map[string]any) {
	add := func(of Type, s map[string]any) {
		if r.Type&of != 0 {
			ways = append(ways, s)
		}
	}
	if len(r.Words) > 0 {
		ways = append(ways, map[string]any{"enum": r.Words})
	}
	for _, f := range jsonForms {
		add(f.of, map[string]any{"type": "string", "pattern": f.form})
	}
	add(String, map[string]any{"type": "string"})
	add(Integer, r.jsonInteger())
	add(Bool, map[string]any{"type": "boolean"})
	add(Strings, map[string]any{"type": "array", "items": map[string]any{"type": "string"}})
	add(Integers, map[string]any{"type": "array", "items": r.jsonInteger()})
	if r.Type&(Table|Tables) != 0 {
		table := r.jsonTable()
		add(Table, table)
		add(Tables, map[string]any{"type": "array", "items": table})
	}
	return ways
}

func (r *rule) jsonInteger() map[string]any {
	s := map[string]any{"type": "integer"}
	if r.Range != [2]int64{} {
		s["minimum"], s["maximum"] = r.Range[0], r.Range[1]
	}
	return s
}

// jsonTable is the schema of a table: its keys, and the names of the user's choice.
func (r *rule) jsonTable() map[string]any {
	keys, names := map[string]any{}, map[string]any{}
	for name, below := range r.keys {
		if start, open := strings.CutSuffix(name, "*"); open {
			names["^"+start] = below.jsonSchema()
			continue
		}
		keys[name] = below.jsonSchema()
	}
	if r.any != nil {
		form := "^"
		if r.any.Type&Table != 0 { // a process or a socket
			form = nameForm.String()
		}
		names[form] = r.any.jsonSchema()
	}
	s := map[string]any{"type": "object", "additionalProperties": false}
	if len(keys) > 0 {
		s["properties"] = keys
	}
	if len(names) > 0 {
		s["patternProperties"] = names
	}
	return s
}
