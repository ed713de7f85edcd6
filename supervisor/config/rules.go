package config

import (
	"slices"
	"strings"
	"sync"
)

// rule is a row of the schema with the rows below it: the form in which a file is walked.
type rule struct {
	Key
	keys map[string]*rule
	any  *rule // of the names of the user's choice
}

// rules is the schema as a tree. What may stand in [defaults] are the inherited keys of a process.
var rules = sync.OnceValue(func() *rule {
	root := &rule{Key: Key{Type: Table}, keys: map[string]*rule{}}
	for _, k := range schema {
		root.insert(k)
	}
	defaults := root.keys["defaults"]
	for name, r := range root.keys["process"].any.keys {
		if r.Inherit {
			defaults.keys[name] = r
		}
	}
	return root
})

func (r *rule) insert(k Key) {
	names := strings.Split(k.Path, ".")
	for _, name := range names[:len(names)-1] {
		r = r.child(name)
	}
	last := &rule{Key: k, keys: map[string]*rule{}}
	if name := names[len(names)-1]; name == "*" {
		r.any = last
	} else {
		r.keys[name] = last
	}
}

func (r *rule) child(name string) *rule {
	if name == "*" {
		return r.any
	}
	return r.keys[name]
}

// find is the rule for a key that is written in a table of r; nil: there is none.
func (r *rule) find(name string) *rule {
	if below, ok := r.keys[name]; ok {
		return below
	}
	if notes, ok := r.keys["x-*"]; ok && strings.HasPrefix(name, "x-") {
		return notes
	}
	return r.any
}

// names are the keys that may be written in a table of r, sorted.
func (r *rule) names() []string {
	var names []string
	for name := range r.keys {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
