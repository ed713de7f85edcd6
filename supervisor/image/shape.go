package image

import (
	"encoding"
	"fmt"
	"reflect"
)

// shape is what an image tells of a type: the kind, and what it is made of.
type shape struct {
	kind   reflect.Kind
	length int      // of an array
	key    *shape   // of a map
	elem   *shape   // of a map, slice, array or pointer
	of     *fieldly // of a struct
}

// fieldly is the shape of a struct: its fields, in their order. It stands in a table, for it may contain itself.
type fieldly struct {
	index  int
	fields []field
}

type field struct {
	name  string
	shape *shape
}

// textual is the kind of a struct that is written as text. It stands where no kind of Go's own can.
const textual = reflect.Kind(200)

var (
	marshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// kindOf is the kind under which a type is written.
func kindOf(t reflect.Type) reflect.Kind {
	if p := reflect.PointerTo(t); t.Kind() == reflect.Struct && p.Implements(marshaler) && p.Implements(unmarshaler) {
		return textual
	}
	return t.Kind()
}

// kept lists the places of the fields that are written.
func kept(t reflect.Type) []int {
	var list []int
	for n := range t.NumField() {
		if f := t.Field(n); f.Tag.Get("image") != "-" && f.Name != "_" {
			list = append(list, n)
		}
	}
	return list
}

// shapes finds the shapes of types, each struct once.
type shapes struct {
	known map[reflect.Type]*fieldly
	table []*fieldly
}

func (s *shapes) of(t reflect.Type) (*shape, error) {
	sh := &shape{kind: kindOf(t)}
	var err error
	switch sh.kind {
	case reflect.Bool, reflect.String, reflect.Float32, reflect.Float64, textual,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	case reflect.Slice, reflect.Pointer:
		if sh.elem, err = s.of(t.Elem()); t.Elem().Size() == 0 {
			err = fmt.Errorf("a %s of nothing cannot be kept", t.Kind())
		}
	case reflect.Array:
		sh.length = t.Len()
		sh.elem, err = s.of(t.Elem())
	case reflect.Map:
		if sh.key, err = s.of(t.Key()); err == nil {
			sh.elem, err = s.of(t.Elem())
		}
	case reflect.Struct:
		sh.of, err = s.fieldly(t)
	default:
		err = fmt.Errorf("a %s cannot be kept", t.Kind())
	}
	return sh, err
}

func (s *shapes) fieldly(t reflect.Type) (*fieldly, error) {
	if f := s.known[t]; f != nil {
		return f, nil
	}
	f := &fieldly{index: len(s.table)}
	s.known[t] = f
	s.table = append(s.table, f)
	for _, n := range kept(t) {
		sh, err := s.of(t.Field(n).Type)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, t.Field(n).Name, err)
		}
		f.fields = append(f.fields, field{name: t.Field(n).Name, shape: sh})
	}
	return f, nil
}
