package control

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// openAPI answers with the description of the whole, made from the table of routes.
func (s *Server) openAPI(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, Describe(s.System.About().Version))
}

// Describe is the OpenAPI 3 description of the control plane.
func Describe(version string) map[string]any {
	d := describer{schemas: map[string]any{}}
	paths := map[string]any{}
	for _, r := range routes() {
		methods, ok := paths[r.path].(map[string]any)
		if !ok {
			methods = map[string]any{}
			paths[r.path] = methods
		}
		methods[strings.ToLower(r.method)] = d.operation(r)
	}
	return map[string]any{
		"openapi": "3.0.3",
		"info": map[string]any{
			"title": "lastout control plane", "version": version,
			"description": "HTTP over a unix socket. Times are RFC 3339, durations in fields that end with _seconds are " +
				"numbers of seconds; reports and the shutdown's report have nanoseconds since lastout began.",
		},
		"paths":      paths,
		"components": map[string]any{"schemas": d.schemas},
	}
}

// describer gathers the schemas of all types that it meets.
type describer struct{ schemas map[string]any }

func (d *describer) operation(r *route) map[string]any {
	op := map[string]any{"summary": r.summary, "responses": d.responses(r), "operationId": operationID(r)}
	var query []any
	for _, p := range r.query {
		schema := map[string]any{"type": p.kind}
		if len(p.words) > 0 {
			schema["enum"] = p.words
		}
		if p.many {
			schema = map[string]any{"type": "array", "items": schema}
		}
		query = append(query, map[string]any{"name": p.name, "in": "query", "description": p.doc, "schema": schema})
	}
	if query != nil {
		op["parameters"] = query
	}
	if r.body != nil {
		op["requestBody"] = map[string]any{"content": content("application/json", d.schema(reflect.TypeOf(r.body)))}
	}
	return op
}

func operationID(r *route) string {
	words := strings.FieldsFunc(strings.TrimPrefix(r.path, "/v1"), func(c rune) bool { return c == '/' || c == '.' })
	return strings.ToLower(r.method) + "-" + strings.Join(words, "-")
}

func (d *describer) responses(r *route) map[string]any {
	status, kind := max(r.status, http.StatusOK), "application/json"
	if r.lines {
		kind = "application/x-ndjson"
	}
	if _, text := r.answer.(string); text {
		kind = "text/plain"
	}
	all := map[string]any{strconv.Itoa(status): map[string]any{
		"description": http.StatusText(status), "content": content(kind, d.schema(reflect.TypeOf(r.answer))),
	}}
	if r.waited {
		all[strconv.Itoa(http.StatusOK)] = map[string]any{
			"description": "it is over", "content": content(kind, d.schema(reflect.TypeOf(r.answer))),
		}
	}
	for _, status := range statusesOf(r) {
		all[strconv.Itoa(status)] = map[string]any{
			"description": http.StatusText(status), "content": content("application/json", d.schema(reflect.TypeFor[Problem]())),
		}
	}
	return all
}

// statusesOf are those of the problems that a route may answer with.
func statusesOf(r *route) []int {
	all := append([]int{
		http.StatusBadRequest, http.StatusForbidden, http.StatusInternalServerError, http.StatusServiceUnavailable,
	}, r.problems...)
	if r.body != nil {
		all = append(all, http.StatusRequestEntityTooLarge)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func content(kind string, schema map[string]any) map[string]any {
	return map[string]any{kind: map[string]any{"schema": schema}}
}

var timeType = reflect.TypeFor[time.Time]()

// schema describes a type; a struct that has a name, by that.
func (d *describer) schema(t reflect.Type) map[string]any {
	switch t.Kind() {
	case reflect.Pointer:
		return d.schema(t.Elem())
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": d.schema(t.Elem()), "nullable": t.Kind() == reflect.Slice}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": true}
	case reflect.Struct:
		if t == timeType {
			return map[string]any{"type": "string", "format": "date-time"}
		}
		return d.object(t)
	default:
		return map[string]any{"type": "integer", "format": "int64"}
	}
}

// object describes a struct once, and refers to that.
func (d *describer) object(t reflect.Type) map[string]any {
	name := t.Name()
	if pkg := t.PkgPath(); !strings.HasSuffix(pkg, "/control") { // others have types of the same names
		base := pkg[strings.LastIndexByte(pkg, '/')+1:]
		name = strings.ToUpper(base[:1]) + base[1:] + name
	}
	ref := map[string]any{"$ref": "#/components/schemas/" + name}
	if _, known := d.schemas[name]; known {
		return ref
	}
	properties := map[string]any{}
	d.schemas[name] = nil // in work: a type may hold itself
	var required []string
	d.fields(t, properties, &required)
	schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		schema["required"] = required
	}
	d.schemas[name] = schema
	return ref
}

func (d *describer) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			d.fields(f.Type, properties, required)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		schema := d.schema(f.Type)
		if doc := f.Tag.Get("doc"); doc != "" {
			if _, refers := schema["$ref"]; refers { // beside a reference nothing else counts
				schema = map[string]any{"allOf": []any{schema}}
			}
			schema["description"] = doc
		}
		properties[name] = schema
		if !strings.Contains(options, "omit") {
			*required = append(*required, name)
		}
	}
}
