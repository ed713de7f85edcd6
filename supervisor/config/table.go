package config

import (
	"maps"
	"syscall"
	"time"
)

// The methods below give what stands under a key, or what is put in its place where nothing does. The schema has seen
// to it that what stands there is of its type.

func (t *table) has(key string) bool {
	_, ok := t.vals[key]
	return ok
}

// bad says whether something faulty stands under the key, so that no more need be said of it.
func (t *table) bad(key string) bool {
	v, ok := t.vals[key]
	return ok && v.is == nil
}

// place is where the key stands; the table's own place where it does not.
func (t *table) place(key string) *place {
	if v, ok := t.vals[key]; ok {
		return v.at
	}
	return t.at
}

func (t *table) str(key, otherwise string) string {
	if s, ok := t.vals[key].is.(string); ok {
		return s
	}
	return otherwise
}

func (t *table) integer(key string, otherwise int) int {
	if n, ok := t.vals[key].is.(int64); ok {
		return int(n)
	}
	return otherwise
}

func (t *table) flag(key string, otherwise bool) bool {
	if b, ok := t.vals[key].is.(bool); ok {
		return b
	}
	return otherwise
}

// duration is 0 for a word that stands in a duration's place.
func (t *table) duration(key string, otherwise time.Duration) time.Duration {
	switch d := t.vals[key].is.(type) {
	case time.Duration:
		return d
	case string:
		return 0
	}
	return otherwise
}

func (t *table) signal(key string, otherwise syscall.Signal) syscall.Signal {
	if s, ok := t.vals[key].is.(syscall.Signal); ok {
		return s
	}
	return otherwise
}

func (t *table) size(key string, otherwise int64) int64 {
	if n, ok := t.vals[key].is.(bytes); ok {
		return int64(n)
	}
	return otherwise
}

// list is an array of strings; a single string where one may stand for an array.
func (t *table) list(key string) []text {
	switch v := t.vals[key]; is := v.is.(type) {
	case []text:
		return is
	case string:
		return []text{{at: v.at, s: is}}
	}
	return nil
}

func (t *table) integers(key string) []int {
	numbers, _ := t.vals[key].is.([]int)
	return numbers
}

// table is never nil.
func (t *table) table(key string) *table {
	if below, ok := t.vals[key].is.(*table); ok {
		return below
	}
	return &table{at: t.place(key), broken: t.bad(key)}
}

func (t *table) tables(key string) []*table {
	tables, _ := t.vals[key].is.([]*table)
	return tables
}

// merge lays a table over another: tables key by key, and everything else replaces. Where of some keys one may be
// given, the upper one takes the lower one's place.
func merge(r *rule, lower, upper *table) *table {
	t := &table{at: upper.at, vals: maps.Clone(lower.vals)}
	if t.vals == nil {
		t.vals = map[string]value{}
	}
	for key := range upper.vals {
		if group := r.find(key).OneOf; group != "" {
			maps.DeleteFunc(t.vals, func(other string, _ value) bool {
				return other != key && r.find(other).OneOf == group
			})
		}
	}
	for key, v := range upper.vals {
		if above, ok := v.is.(*table); ok {
			if below, ok := t.vals[key].is.(*table); ok {
				v.is = merge(r.find(key), below, above)
			}
		}
		t.vals[key] = v
	}
	return t
}

// words are the strings without their places; nil where the key is not given.
func (t *table) words(key string) []string {
	if !t.has(key) {
		return nil
	}
	words := []string{}
	for _, item := range t.list(key) {
		words = append(words, item.s)
	}
	return words
}
