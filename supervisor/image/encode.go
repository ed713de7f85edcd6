package image

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"unsafe"
)

// magic begins every image.
const magic = "lastout image\n"

// Encode writes what root points to, in the caller's format.
func Encode(format uint64, root any) ([]byte, error) {
	v := reflect.ValueOf(root)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return nil, fmt.Errorf("cannot keep a %T: it is no pointer to something", root)
	}
	s := &shapes{known: map[reflect.Type]*fieldly{}}
	sh, err := s.of(v.Elem().Type())
	if err != nil {
		return nil, fmt.Errorf("cannot keep a %T: %w", root, err)
	}
	e := &encoder{shapes: s, strings: map[string]uint64{}, objects: map[target]uint64{}, fields: map[reflect.Type][]int{}}
	e.out = append(e.out, magic...)
	e.uint(format)
	e.table(sh)
	e.value(v.Elem())
	for len(e.queue) > 0 {
		next := e.queue[0]
		e.queue = e.queue[1:]
		e.value(next)
	}
	if e.err != nil {
		return nil, e.err
	}
	return binary.LittleEndian.AppendUint32(e.out, crc32.ChecksumIEEE(e.out)), nil
}

// encoder writes values. What pointers point to waits in a queue, so that a long chain is no deep recursion.
type encoder struct {
	out     []byte
	shapes  *shapes
	fields  map[reflect.Type][]int
	strings map[string]uint64 // those that were written, by their number from 1
	objects map[target]uint64 // likewise
	queue   []reflect.Value
	err     error
}

// target is what a pointer points to. The type belongs to it: a struct and its first field have one address.
type target struct {
	at unsafe.Pointer
	of reflect.Type
}

func (e *encoder) uint(n uint64) { e.out = binary.AppendUvarint(e.out, n) }

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.out = append(e.out, s...)
}

// table writes the shapes of all structs, and that of the root.
func (e *encoder) table(root *shape) {
	e.uint(uint64(len(e.shapes.table)))
	for _, f := range e.shapes.table {
		e.uint(uint64(len(f.fields)))
		for _, x := range f.fields {
			e.text(x.name)
			e.shape(x.shape)
		}
	}
	e.shape(root)
}

func (e *encoder) shape(s *shape) {
	e.uint(uint64(s.kind))
	switch s.kind {
	case reflect.Struct:
		e.uint(uint64(s.of.index))
	case reflect.Map:
		e.shape(s.key)
		e.shape(s.elem)
	case reflect.Array:
		e.uint(uint64(s.length))
		e.shape(s.elem)
	case reflect.Slice, reflect.Pointer:
		e.shape(s.elem)
	default:
	}
}

// value writes a value that can be addressed.
func (e *encoder) value(v reflect.Value) {
	switch kindOf(v.Type()) {
	case reflect.Bool:
		if v.Bool() {
			e.uint(1)
		} else {
			e.uint(0)
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		e.out = binary.AppendVarint(e.out, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		e.uint(v.Uint())
	case reflect.Float32, reflect.Float64:
		e.uint(math.Float64bits(v.Float()))
	case reflect.String:
		e.string(v.String())
	case textual:
		e.textual(v)
	case reflect.Slice:
		e.slice(v)
	case reflect.Array:
		for n := range v.Len() {
			e.value(v.Index(n))
		}
	case reflect.Map:
		e.entries(v)
	case reflect.Pointer:
		e.pointer(v)
	case reflect.Struct:
		e.struc(v)
	default:
		panic("image: a " + v.Kind().String() + " has a shape")
	}
}

// string writes a string, and a number only when it is met again: the environments of many processes are alike.
func (e *encoder) string(s string) {
	if n, ok := e.strings[s]; ok {
		e.uint(n)
		return
	}
	e.strings[s] = uint64(len(e.strings)) + 1
	e.uint(0)
	e.text(s)
}

func (e *encoder) textual(v reflect.Value) {
	text, err := v.Addr().Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil && e.err == nil {
		e.err = fmt.Errorf("cannot keep a %s: %w", v.Type(), err)
	}
	e.text(string(text))
}

// slice keeps nil and empty apart, as maps do.
func (e *encoder) slice(v reflect.Value) {
	if v.IsNil() {
		e.uint(0)
		return
	}
	e.uint(uint64(v.Len()) + 1)
	if v.Type().Elem().Kind() == reflect.Uint8 {
		e.out = append(e.out, v.Bytes()...)
		return
	}
	for n := range v.Len() {
		e.value(v.Index(n))
	}
}

// entries writes a map in the order of its keys as they are written.
func (e *encoder) entries(v reflect.Value) {
	if v.IsNil() {
		e.uint(0)
		return
	}
	e.uint(uint64(v.Len()) + 1)
	keys := v.MapKeys()
	slices.SortFunc(keys, compare)
	for _, key := range keys {
		e.value(addressable(key))
		e.value(addressable(v.MapIndex(key)))
	}
}

func (e *encoder) pointer(v reflect.Value) {
	if v.IsNil() {
		e.uint(0)
		return
	}
	to := target{at: v.UnsafePointer(), of: v.Type().Elem()}
	n, met := e.objects[to]
	if !met {
		n = uint64(len(e.objects)) + 1
		e.objects[to] = n
		e.queue = append(e.queue, v.Elem())
	}
	e.uint(n)
}

func (e *encoder) struc(v reflect.Value) {
	list, ok := e.fields[v.Type()]
	if !ok {
		list = kept(v.Type())
		e.fields[v.Type()] = list
	}
	for _, n := range list {
		e.value(open(v.Field(n)))
	}
}

// open gives access to a field of a value that can be addressed, whether it is exported or not.
func open(f reflect.Value) reflect.Value {
	return reflect.NewAt(f.Type(), unsafe.Pointer(f.UnsafeAddr())).Elem()
}

// addressable is a copy that can be addressed.
func addressable(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}
