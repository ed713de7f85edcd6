package image

import (
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
)

// Decode reads an image of the given format into what root points to, which should be zero. Data that is no image, or
// damaged, or that the reader does not understand in full, is an error; then what root points to is not to be used.
func Decode(format uint64, data []byte, root any) (err error) {
	v := reflect.ValueOf(root)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return fmt.Errorf("cannot read into a %T: it is no pointer to something", root)
	}
	if err := verify(data); err != nil {
		return err
	}
	d := &decoder{in: data[len(magic) : len(data)-4], plans: map[match]*plan{}}
	defer func() {
		if x := recover(); x != nil {
			fault, ok := x.(fault)
			if !ok {
				panic(x)
			}
			err = fmt.Errorf("cannot read the image: %w", fault.error)
		}
	}()
	if written := d.uint(); written != format {
		return fmt.Errorf("cannot read the image: its format is %d, and this build reads %d", written, format)
	}
	sh := d.table()
	d.value(sh, v.Elem())
	for n := 0; n < len(d.objects); n++ {
		d.value(d.objects[n].shape, d.objects[n].value)
	}
	if len(d.in) > 0 {
		return fmt.Errorf("cannot read the image: %d bytes are left over", len(d.in))
	}
	return nil
}

// verify looks at the parts that have no shape.
func verify(data []byte) error {
	switch {
	case len(data) < len(magic)+4 || string(data[:len(magic)]) != magic:
		return errors.New("cannot read the image: it is none")
	case crc32.ChecksumIEEE(data[:len(data)-4]) != binary.LittleEndian.Uint32(data[len(data)-4:]):
		return errors.New("cannot read the image: it is damaged")
	default:
		return nil
	}
}

// fault is a panic that Decode turns into its error.
type fault struct{ error }

func failf(format string, args ...any) { panic(fault{fmt.Errorf(format, args...)}) }

// decoder reads values.
type decoder struct {
	in      []byte
	structs []*fieldly
	plans   map[match]*plan
	strings []string
	objects []object
}

// object is what pointers point to.
type object struct {
	shape *shape
	value reflect.Value
}

func (d *decoder) uint() uint64 {
	n, size := binary.Uvarint(d.in)
	if size <= 0 {
		failf("a number is cut off")
	}
	d.in = d.in[size:]
	return n
}

func (d *decoder) int() int64 {
	n, size := binary.Varint(d.in)
	if size <= 0 {
		failf("a number is cut off")
	}
	d.in = d.in[size:]
	return n
}

// length reads a number of things that follow, each of at least one byte.
func (d *decoder) length() int {
	n := d.uint()
	if n > uint64(len(d.in)) {
		failf("%d of something in %d bytes", n, len(d.in))
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.length()
	b := d.in[:n:n]
	d.in = d.in[n:]
	return b
}

// table reads the shapes of all structs, and returns that of the root.
func (d *decoder) table() *shape {
	d.structs = make([]*fieldly, d.length())
	for n := range d.structs {
		d.structs[n] = &fieldly{index: n}
	}
	for _, f := range d.structs {
		for range d.length() {
			f.fields = append(f.fields, field{name: string(d.bytes()), shape: d.shape(0)})
		}
	}
	return d.shape(0)
}

func (d *decoder) shape(depth int) *shape {
	if depth > 100 {
		failf("a type is too deep")
	}
	s := &shape{kind: reflect.Kind(d.uint())}
	switch s.kind {
	case reflect.Struct:
		n := d.uint()
		if n >= uint64(len(d.structs)) {
			failf("there is no struct %d", n)
		}
		s.of = d.structs[n]
	case reflect.Map:
		s.key, s.elem = d.shape(depth+1), d.shape(depth+1)
	case reflect.Array:
		s.length, s.elem = int(d.uint()), d.shape(depth+1)
	case reflect.Slice, reflect.Pointer:
		s.elem = d.shape(depth + 1)
	default:
	}
	return s
}

// value reads a value of a shape into v.
func (d *decoder) value(s *shape, v reflect.Value) {
	if kindOf(v.Type()) != s.kind {
		failf("it has a %s where this build has a %s", s.kind, v.Type())
	}
	switch s.kind {
	case reflect.Bool:
		v.SetBool(d.uint() != 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n := d.int()
		if v.OverflowInt(n) {
			failf("%d is too large for a %s", n, v.Type())
		}
		v.SetInt(n)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		n := d.uint()
		if v.OverflowUint(n) {
			failf("%d is too large for a %s", n, v.Type())
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(math.Float64frombits(d.uint()))
	case reflect.String:
		v.SetString(d.string())
	case textual:
		if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(d.bytes()); err != nil {
			failf("%w", err)
		}
	case reflect.Slice:
		d.slice(s, v)
	case reflect.Array:
		if s.length != v.Len() {
			failf("it has an array of %d where this build has a %s", s.length, v.Type())
		}
		for n := range v.Len() {
			d.value(s.elem, v.Index(n))
		}
	case reflect.Map:
		d.entries(s, v)
	case reflect.Pointer:
		d.pointer(s, v)
	case reflect.Struct:
		d.struc(s.of, v)
	default:
		failf("there is no kind %d", s.kind)
	}
}

func (d *decoder) string() string {
	n := d.uint()
	if n == 0 {
		s := string(d.bytes())
		d.strings = append(d.strings, s)
		return s
	}
	if n > uint64(len(d.strings)) {
		failf("there is no string %d", n)
	}
	return d.strings[n-1]
}

func (d *decoder) slice(s *shape, v reflect.Value) {
	n := d.uint()
	if n == 0 {
		return
	}
	if n--; n > uint64(len(d.in)) {
		failf("%d of something in %d bytes", n, len(d.in))
	}
	v.Set(reflect.MakeSlice(v.Type(), int(n), int(n)))
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if s.elem.kind != reflect.Uint8 {
			failf("it has a %s where this build has a byte", s.elem.kind)
		}
		d.in = d.in[copy(v.Bytes(), d.in):]
		return
	}
	for i := range v.Len() {
		d.value(s.elem, v.Index(i))
	}
}

func (d *decoder) entries(s *shape, v reflect.Value) {
	n := d.uint()
	if n == 0 {
		return
	}
	if n--; n > uint64(len(d.in)) {
		failf("%d of something in %d bytes", n, len(d.in))
	}
	v.Set(reflect.MakeMapWithSize(v.Type(), int(n)))
	for range n {
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		d.value(s.key, key)
		d.value(s.elem, elem)
		v.SetMapIndex(key, elem)
	}
}

// pointer makes what it points to with its first mention, and has it read in its turn.
func (d *decoder) pointer(s *shape, v reflect.Value) {
	n := d.uint()
	switch {
	case n == 0:
		return
	case n == uint64(len(d.objects))+1:
		d.objects = append(d.objects, object{shape: s.elem, value: reflect.New(v.Type().Elem()).Elem()})
	case n > uint64(len(d.objects)):
		failf("there is no object %d", n)
	}
	to := d.objects[n-1].value
	if to.Type() != v.Type().Elem() {
		failf("object %d is a %s and not a %s", n, to.Type(), v.Type().Elem())
	}
	v.Set(to.Addr())
}

// match is a struct of an image that is read into one of ours; plan is where its fields go.
type match struct {
	from *fieldly
	to   reflect.Type
}

type plan struct{ places []int }

func (d *decoder) struc(f *fieldly, v reflect.Value) {
	p := d.plans[match{f, v.Type()}]
	if p == nil {
		p = &plan{}
		for _, x := range f.fields {
			sf, ok := v.Type().FieldByName(x.name)
			if !ok || len(sf.Index) != 1 || sf.Tag.Get("image") == "-" {
				failf("this build knows no field %s of %s", x.name, v.Type())
			}
			p.places = append(p.places, sf.Index[0])
		}
		d.plans[match{f, v.Type()}] = p
	}
	for n, x := range f.fields {
		d.value(x.shape, open(v.Field(p.places[n])))
	}
}
