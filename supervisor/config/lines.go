package config

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// source is one file of a configuration.
type source struct {
	path string // as people shall see it
	dir  string // its folder, absolute: what relative paths in it are relative to
}

// place is where a value stands in its file. Places form a tree of the same shape as the decoded values: a table's
// place has one for each key, an array's one for each item.
type place struct {
	file  *source
	line  int
	keys  map[string]*place
	items []*place
}

// key is the place of a key of the table at p; where there is none, the table's own.
func (p *place) key(name string) *place {
	if k, ok := p.keys[name]; ok {
		return k
	}
	return p
}

// item is the place of item i of the array at p; where there is none, the array's own.
func (p *place) item(i int) *place {
	if i < len(p.items) {
		return p.items[i]
	}
	return p
}

// enter is the place of a key, made at line where the key is met for the first time.
func (p *place) enter(name string, line int) *place {
	if k, ok := p.keys[name]; ok {
		return k
	}
	if p.keys == nil {
		p.keys = map[string]*place{}
	}
	k := &place{file: p.file, line: line}
	p.keys[name] = k
	return k
}

// add is a new item of the array at p.
func (p *place) add(line int) *place {
	item := &place{file: p.file, line: line}
	p.items = append(p.items, item)
	return item
}

// last is where a header's path goes on below p: in an array of tables, its last item.
func (p *place) last() *place {
	if n := len(p.items); n > 0 {
		return p.items[n-1]
	}
	return p
}

// maxDepth bounds how deep values may be nested: far beyond any key there is, and little enough to recurse on.
const maxDepth = 64

// scanner reads TOML's lexical structure, no more: it trusts that somebody else checks the syntax, and of a faulty file
// it only promises to come to an end.
type scanner struct {
	src   string
	pos   int
	line  int
	depth int
	deep  int // the line where maxDepth was passed; 0: nowhere
}

// index finds the place of every key and item of a TOML file. deep is the line where values are nested too deep to
// read on, or 0.
func index(file *source, src string) (root *place, deep int) {
	s := &scanner{src: strings.TrimPrefix(src, "\ufeff"), line: 1}
	root = &place{file: file, line: 1}
	table := root
	for s.deep == 0 {
		s.blank()
		switch c := s.peek(); {
		case s.pos >= len(s.src):
			return root, 0
		case c == '[':
			table = s.header(root)
		default:
			s.pair(table)
		}
	}
	return root, s.deep
}

// peek is the next byte, 0 at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

// next takes a byte and counts the lines.
func (s *scanner) next() byte {
	c := s.peek()
	if c == '\n' {
		s.line++
	}
	s.pos++
	return c
}

// spaces skips white space within a line.
func (s *scanner) spaces() {
	for c := s.peek(); c == ' ' || c == '\t'; c = s.peek() {
		s.pos++
	}
}

// blank skips white space, newlines and comments.
func (s *scanner) blank() {
	for s.pos < len(s.src) {
		switch s.peek() {
		case ' ', '\t', '\r', '\n':
			s.next()
		case '#':
			s.until("\n")
		default:
			return
		}
	}
}

// until skips to the first of the given bytes, or to the end.
func (s *scanner) until(stop string) {
	for s.pos < len(s.src) && strings.IndexByte(stop, s.src[s.pos]) < 0 {
		s.next()
	}
}

// header reads [a.b] or [[a.b]] and gives the table that the pairs below it belong to.
func (s *scanner) header(root *place) *place {
	s.pos++
	array := s.peek() == '['
	if array {
		s.pos++
	}
	at := root
	for _, name := range s.path() {
		at = at.last().enter(name, s.line)
	}
	s.until("\n")
	if array {
		return at.add(s.line)
	}
	return at.last()
}

// pair reads key = value into the table.
func (s *scanner) pair(table *place) {
	begin := s.pos
	line := s.line
	at := table
	for _, name := range s.path() {
		at = at.enter(name, line)
	}
	if s.peek() == '=' {
		s.pos++
		s.spaces()
		s.value(at)
	}
	if s.pos == begin {
		s.next() // not TOML: come to an end all the same
	}
}

// path reads a dotted key.
func (s *scanner) path() []string {
	var names []string
	for {
		s.spaces()
		switch c := s.peek(); {
		case c == '"' || c == '\'':
			names = append(names, s.quoted())
		case bare(c):
			begin := s.pos
			for bare(s.peek()) {
				s.pos++
			}
			names = append(names, s.src[begin:s.pos])
		default:
			return names
		}
		s.spaces()
		if s.peek() != '.' {
			return names
		}
		s.pos++
	}
}

// bare says whether a byte may stand in a key without quotes.
func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// value reads a value and enters what is in it below at.
func (s *scanner) value(at *place) {
	switch rest := s.src[min(s.pos, len(s.src)):]; {
	case strings.HasPrefix(rest, `"""`), strings.HasPrefix(rest, "'''"):
		s.multiline(rest[:3])
	case strings.HasPrefix(rest, `"`), strings.HasPrefix(rest, "'"):
		s.quoted()
	case strings.HasPrefix(rest, "["):
		s.nested(']', func() { s.value(at.add(s.line)) })
	case strings.HasPrefix(rest, "{"):
		s.nested('}', func() { s.pair(at) })
	default:
		s.until(",]}#\n")
	}
}

// nested reads the comma-separated parts of an array or an inline table.
func (s *scanner) nested(end byte, part func()) {
	s.depth++
	defer func() { s.depth-- }()
	if s.depth > maxDepth {
		s.deep = s.line
		s.pos = len(s.src)
		return
	}
	s.pos++
	for {
		s.blank()
		switch s.peek() {
		case 0:
			if s.pos >= len(s.src) {
				return
			}
			s.pos++
		case end:
			s.pos++
			return
		case ',', ']', '}', '=':
			s.pos++
		default:
			part()
		}
	}
}

// quoted reads a string of one line, and gives what it stands for.
func (s *scanner) quoted() string {
	quote := s.next()
	begin := s.pos
	for s.pos < len(s.src) && s.peek() != quote && s.peek() != '\n' {
		if s.peek() == '\\' && quote == '"' {
			s.pos++
		}
		s.next()
	}
	end := min(s.pos, len(s.src))
	if s.peek() == quote {
		s.pos++
	}
	if quote == '\'' {
		return s.src[begin:end]
	}
	return unescape(s.src[begin:end])
}

// multiline skips a string in triple quotes. Up to two more quotes may stand before the closing ones.
func (s *scanner) multiline(quotes string) {
	s.pos += 3
	for s.pos < len(s.src) {
		if strings.HasPrefix(s.src[s.pos:], quotes) {
			s.pos += 3
			for range 2 {
				if s.peek() == quotes[0] {
					s.pos++
				}
			}
			return
		}
		if s.peek() == '\\' && quotes[0] == '"' {
			s.next()
		}
		s.next()
	}
}

// unescape resolves the escapes of a basic string. A key is rarely written with one; its line shall be found then too.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch c := s[i]; c {
		case 'x', 'u', 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			end := min(i+1+n, len(s))
			r, err := strconv.ParseUint(s[i+1:end], 16, 32)
			if err != nil {
				r = utf8.RuneError
			}
			b.WriteRune(rune(r))
			i = end - 1
		default:
			if k := strings.IndexByte("btnfre", c); k >= 0 {
				c = "\b\t\n\f\r\x1b"[k]
			}
			b.WriteByte(c)
		}
	}
	return b.String()
}
