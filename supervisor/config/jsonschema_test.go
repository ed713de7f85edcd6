package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema as an editor's validator reads it.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(JSONSchema())
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("lastout.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("lastout.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// judge is what a schema says of a TOML text.
func judge(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	var m map[string]any
	if _, err := toml.Decode(text, &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	data, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(doc)
}

// TestJSONSchema writes each key with a right value, which passes, and with values of other types, which do not.
func TestJSONSchema(t *testing.T) {
	s := compiled(t)
	for _, k := range Schema() {
		text, _ := written(k, sample(k))
		if err := judge(t, s, text); err != nil {
			t.Errorf("%s: %v in\n%s", k.Path, err, text)
		}
		if k.Type == Any {
			continue
		}
		for _, wrong := range wrongs {
			if k.Type&wrong.right != 0 && !strings.Contains(wrong.value, "such") || k.Type&String != 0 && isText(wrong.value) ||
				wrong.value == "-123456" && k.Type&Integer != 0 && k.Range == [2]int64{} {
				continue
			}
			text, _ := written(k, wrong.value)
			if err := judge(t, s, text); err == nil {
				t.Errorf("%s = %s passes in\n%s", k.Path, wrong.value, text)
			}
		}
	}
}

// isText says of a value in TOML whether it is a string in JSON, as a date is.
func isText(value string) bool {
	return strings.HasPrefix(value, `"`) || strings.HasPrefix(value, "1979")
}

// TestJSONSchemaOfExamples holds that what Load takes without a fault passes.
func TestJSONSchemaOfExamples(t *testing.T) {
	s := compiled(t)
	root := filepath.Join("..", "..")
	files := []string{filepath.Join(root, "config.example.toml")}
	for _, pattern := range []string{"testdata/deploy/*/lastout.toml", "testdata/config/*.toml"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	right := 0
	for _, file := range files {
		if _, err := Load(file, LoadOptions{}); err != nil {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge(t, s, string(text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		right++
	}
	if right < 10 {
		t.Errorf("only %d files are without a fault", right)
	}
}
