package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"pgregory.net/rapid"
)

// document writes random TOML and remembers where each key and each item of an array begins.
type document struct {
	t     *rapid.T
	text  strings.Builder
	line  int
	names int
	lines map[string]int // by path: keys, and items as [i]
}

func (d *document) write(s string) {
	d.text.WriteString(s)
	d.line += strings.Count(s, "\n")
}

func (d *document) chance(label string) bool { return rapid.IntRange(0, 3).Draw(d.t, label) == 0 }

// at remembers the line of a path, where it is met for the first time.
func (d *document) at(path string) {
	if _, ok := d.lines[path]; !ok {
		d.lines[path] = d.line
	}
}

// name makes a name that there is not yet, and one of the ways to write it.
func (d *document) name() (name, written string) {
	d.names++
	switch rapid.IntRange(0, 4).Draw(d.t, "name") {
	case 0:
		name = fmt.Sprintf("a %d.b=#[", d.names)
		return name, `"` + name + `"`
	case 1:
		name = fmt.Sprintf(`back\slash"%d]`, d.names)
		return name, "'" + name + "'"
	case 2:
		name = fmt.Sprintf("é\t\"%d", d.names)
		return name, fmt.Sprintf(`"\u00e9\t\"%d"`, d.names)
	default:
		name = fmt.Sprintf("Key_-%d", d.names)
		return name, name
	}
}

// key writes a key, dotted at times, and gives the path of its last part.
func (d *document) key(path string) string {
	for {
		name, written := d.name()
		path += "/" + name
		d.write(written)
		d.at(path)
		if !d.chance("dotted") {
			return path
		}
		d.write(rapid.SampledFrom([]string{".", " . ", "\t."}).Draw(d.t, "dot"))
	}
}

func (d *document) pair(path string, depth int) {
	path = d.key(path)
	d.write(rapid.SampledFrom([]string{"=", " = ", "\t=  "}).Draw(d.t, "equals"))
	d.value(path, depth)
}

var scalars = []string{
	"1", "-17", "3.25", "1e6", "true", "inf", "0xff", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00", "07:32:00",
	`""`, `"a # b ] } , = 'c'"`, `"\" \\"`, `'C:\dir\'`, `"""one line"""`, "\"\"\"\ntwo\n \\\"\"\" lines \"\" \"\"\"",
	"'''\nthree \"\"\" [\n# no comment\n'''", `""""quoted""""`, "''''x'''''", "\"\"\"a \\\n   b\\\\\"\"\"",
}

func (d *document) value(path string, depth int) {
	kind := rapid.IntRange(0, 5).Draw(d.t, "value")
	switch {
	case kind == 0 && depth > 0:
		d.write("[")
		for i := range rapid.IntRange(0, 3).Draw(d.t, "items") {
			d.gap()
			item := fmt.Sprintf("%s[%d]", path, i)
			d.at(item)
			d.value(item, depth-1)
			d.gap()
			d.write(",")
		}
		d.gap()
		d.write("]")
	case kind == 1 && depth > 0:
		d.write("{")
		for i := range rapid.IntRange(0, 3).Draw(d.t, "pairs") {
			if i > 0 {
				d.write(",")
			}
			d.gap()
			d.pair(path, depth-1)
			d.gap()
		}
		d.write("}")
	default:
		d.write(rapid.SampledFrom(scalars).Draw(d.t, "scalar"))
	}
}

// gap writes what may stand between the parts of an array or an inline table.
func (d *document) gap() {
	d.write(rapid.SampledFrom([]string{"", " ", "\n", "\t\n\n", "# c ] } \" '\n", "\r\n"}).Draw(d.t, "gap"))
}

// end writes what may stand between two lines.
func (d *document) end() {
	d.write(rapid.SampledFrom([]string{"\n", "\r\n", " # c [x] = \"\"\"\n", "\n\n", "\n\t# c '''\n\n  "}).Draw(d.t, "end"))
}

// section writes a header, below a table there is already at times, and pairs; it gives the path of the table.
func (d *document) section(tables []string, headers map[string]string) string {
	parent := rapid.SampledFrom(append(tables, "")).Draw(d.t, "parent")
	name, written := d.name()
	header := written
	if above := headers[parent]; above != "" {
		header = above + rapid.SampledFrom([]string{".", " . "}).Draw(d.t, "dot") + written
	}
	path := parent + "/" + name
	array := d.chance("array")
	open, closed := "[", "]"
	if array {
		open, closed = "[[", "]]"
	}
	count := 1
	if array {
		count = rapid.IntRange(1, 3).Draw(d.t, "tables")
	}
	body := path
	for i := range count {
		d.write(open + " " + header + closed)
		d.at(path)
		if array {
			body = fmt.Sprintf("%s[%d]", path, i)
			d.at(body)
		}
		d.end()
		for range rapid.IntRange(0, 3).Draw(d.t, "pairs") {
			d.pair(body, 3)
			d.end()
		}
	}
	headers[body] = header // in an array, what comes later goes into the last table
	return body
}

// TestIndexFindsEveryKey generates nested TOML and looks each key and item up.
func TestIndexFindsEveryKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &document{t: t, line: 1, lines: map[string]int{}}
		if d.chance("bom") {
			d.text.WriteString("\ufeff")
		}
		for range rapid.IntRange(0, 4).Draw(t, "pairs") {
			d.pair("", 3)
			d.end()
		}
		var tables []string
		headers := map[string]string{}
		for range rapid.IntRange(0, 5).Draw(t, "sections") {
			tables = append(tables, d.section(tables, headers))
		}
		check(t, d.text.String(), d.lines)
	})
}

type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// check decodes the text and demands of the index a place for every key and item, at the line given for its path.
func check(t failer, text string, lines map[string]int) {
	t.Helper()
	var decoded map[string]any
	if _, err := toml.Decode(text, &decoded); err != nil {
		t.Fatalf("the generator writes what is no TOML: %v\n%s", err, text)
	}
	root, deep := index(&source{}, text)
	if deep != 0 {
		t.Fatalf("too deep at line %d:\n%s", deep, text)
	}
	seen := 0
	var walk func(path string, v reflect.Value, at *place)
	visit := func(path string, v any, at *place) {
		seen++
		if want, ok := lines[path]; !ok || at.line != want {
			t.Fatalf("%q is at line %d, want %d (known: %v) in\n%s", path, at.line, want, ok, text)
		}
		walk(path, reflect.ValueOf(v), at)
	}
	walk = func(path string, v reflect.Value, at *place) {
		switch v.Kind() {
		case reflect.Map:
			if len(at.keys) != v.Len() {
				t.Fatalf("%q has %d places, want %d in\n%s", path, len(at.keys), v.Len(), text)
			}
			for _, key := range slices.Sorted(maps.Keys(at.keys)) {
				below := v.MapIndex(reflect.ValueOf(key))
				if !below.IsValid() {
					t.Fatalf("%q has a place for %q, which is not there, in\n%s", path, key, text)
				}
				visit(path+"/"+key, below.Interface(), at.keys[key])
			}
		case reflect.Slice:
			if len(at.items) != v.Len() {
				t.Fatalf("%q has %d items, want %d in\n%s", path, len(at.items), v.Len(), text)
			}
			for i := range v.Len() {
				visit(fmt.Sprintf("%s[%d]", path, i), v.Index(i).Interface(), at.items[i])
			}
		default:
			if len(at.keys)+len(at.items) > 0 {
				t.Fatalf("%q is no table and no array, and has places below it, in\n%s", path, text)
			}
		}
	}
	walk("", reflect.ValueOf(decoded), root)
	if seen != len(lines) {
		t.Fatalf("%d keys and items, want %d in\n%s", seen, len(lines), text)
	}
}

// TestIndexLines is the index on what is easily got wrong.
func TestIndexLines(t *testing.T) {
	text := strings.Join([]string{
		`a = 1 # b = 2`,
		`[t] # [u]`,
		`x.y = { z = [`,
		`  1, { w = """`,
		`[no] = "table"`,
		`""" },`,
		`] }`,
		`[[t.list]]`,
		`[t.list.sub]`,
		`k = 'x#"'`,
		`[[t.list]]`,
		`k = 1`,
		`[t.x.later]`,
	}, "\n")
	text = strings.Replace(text, "[t.x.later]", "[t.later]", 1)
	check(t, text, map[string]int{
		"/a": 1, "/t": 2, "/t/x": 3, "/t/x/y": 3, "/t/x/y/z": 3, "/t/x/y/z[0]": 4, "/t/x/y/z[1]": 4, "/t/x/y/z[1]/w": 4,
		"/t/list": 8, "/t/list[0]": 8, "/t/list[0]/sub": 9, "/t/list[0]/sub/k": 10, "/t/list[1]": 11, "/t/list[1]/k": 12,
		"/t/later": 13,
	})
}

// TestIndexEnds gives the index what is no TOML: it comes to an end all the same.
func TestIndexEnds(t *testing.T) {
	for _, text := range []string{
		"", "[", "[[", "[a", "=", "a", "a=", "a = [", "a = {", "a = \"", "a = \"\\", "a = '", `a = """`, "a = '''", "]", "}",
		"a = [[[", "a = [}]", "a = {]", "\"", "'", "\x00", "a = [\x00", "a.\n.b", "[a.]", "a = {=", "a = \"\\u12",
		`"\U0011ffff" = 1`,
	} {
		if root, _ := index(&source{}, text); root == nil {
			t.Errorf("%q has no root", text)
		}
	}
	if _, deep := index(&source{}, "\n\na = "+strings.Repeat("[", 1<<20)); deep != 3 {
		t.Errorf("an array nested 1048576 deep is too deep at line %d, want 3", deep)
	}
}
