package image_test

import (
	"bytes"
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"lastout/supervisor/image"
)

type small uint8

type key struct {
	name string
	n    int
}

type node struct {
	name  string
	next  *node
	peers []*node
}

// all has one of everything.
type all struct {
	Yes     bool
	i       int8
	u       uint64
	f       float64
	text    string
	bytes   []byte
	smalls  []small
	array   [3]int
	empty   []int
	none    []int
	by      map[key][]string
	byEmpty map[int]bool
	set     map[string]struct{}
	ring    *node
	also    *node
	pattern *regexp.Regexp
	where   netip.AddrPort
	wake    chan bool `image:"-"`
}

func whole() *all {
	one, two := &node{name: "one"}, &node{name: "two"}
	one.next, two.next = two, one
	one.peers = []*node{one, two, nil}
	return &all{
		Yes: true, i: -7, u: 1<<64 - 1, f: -0.5, text: "twice", bytes: []byte{0, 255}, smalls: []small{1, 2},
		array: [3]int{1, -2, 3}, empty: []int{}, none: nil,
		by:      map[key][]string{{"b", 2}: {"twice"}, {"a", 2}: {"x"}, {"a", 1}: nil},
		byEmpty: map[int]bool{}, set: map[string]struct{}{"in": {}},
		ring: one, also: two, pattern: regexp.MustCompile(`^a+$`), where: netip.MustParseAddrPort("[::1]:80"),
	}
}

func encode(t *testing.T, root any) []byte {
	t.Helper()
	data, err := image.Encode(3, root)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestBackAgain(t *testing.T) {
	was := whole()
	was.wake = make(chan bool)
	data := encode(t, was)
	var is all
	if err := image.Decode(3, data, &is); err != nil {
		t.Fatal(err)
	}
	if is.wake != nil {
		t.Error("what is not kept came back")
	}
	if is.ring.next != is.also || is.also.next != is.ring || is.ring.peers[0] != is.ring {
		t.Error("the ring is broken")
	}
	was.wake = nil
	if !reflect.DeepEqual(*was, is) {
		t.Errorf("%+v\nis not\n%+v", is, *was)
	}
	if again := encode(t, &is); !bytes.Equal(again, data) {
		t.Error("the image of what came back is another one")
	}
	for range 20 { // whatever the order of the maps
		if !bytes.Equal(encode(t, whole()), data) {
			t.Fatal("equal things have two images")
		}
	}
}

// TestLongChain follows a list that would be too deep for a recursion.
func TestLongChain(t *testing.T) {
	const length = 1_000_000
	var head *node
	for range length {
		head = &node{next: head}
	}
	var is *node
	if err := image.Decode(3, encode(t, &head), &is); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; is != nil; is = is.next {
		n++
	}
	if n != length {
		t.Errorf("%d of %d came back", n, length)
	}
}

type (
	older struct{ A int }
	newer struct {
		A int
		B string
	}
	other struct{ A string }
	moved struct{ A []moved }
)

func TestTwoBuilds(t *testing.T) {
	var n newer
	if err := image.Decode(3, encode(t, &older{A: 1}), &n); err != nil || n != (newer{A: 1}) {
		t.Errorf("an older image: %v, %v", n, err)
	}
	for name, c := range map[string]struct {
		from, to any
		format   uint64
		want     string
	}{
		"unknown field": {&newer{A: 1}, &older{}, 3, "this build knows no field B of image_test.older"},
		"another kind":  {&other{A: "x"}, &older{}, 3, "it has a string where this build has a int"},
		"another one":   {&moved{}, &older{}, 3, "it has a slice where this build has a int"},
		"format":        {&older{}, &older{}, 4, "its format is 3, and this build reads 4"},
		"too large":     {&struct{ A int }{300}, &struct{ A int8 }{}, 3, "it has a int where this build has a int8"},
		"not kept": {&struct{ A int }{1}, &struct {
			A int `image:"-"`
		}{}, 3, "knows no field A"},
	} {
		if err := image.Decode(c.format, encode(t, c.from), c.to); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestNotToBeKept(t *testing.T) {
	for name, root := range map[string]any{
		"a chan cannot be kept":             &struct{ a chan int }{},
		"a func cannot be kept":             &struct{ a []func() }{},
		"a interface cannot be kept":        &struct{ a map[string]error }{},
		"it is no pointer":                  all{},
		"a slice of nothing cannot be kept": &struct{ a []struct{} }{},
		"a ptr of nothing cannot be kept":   &struct{ a *struct{} }{},
	} {
		if _, err := image.Encode(1, root); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

// TestDamaged flips each bit: none goes unnoticed.
func TestDamaged(t *testing.T) {
	data := encode(t, whole())
	for n := range data {
		for bit := range 8 {
			damaged := bytes.Clone(data)
			damaged[n] ^= 1 << bit
			if image.Decode(3, damaged, new(all)) == nil {
				t.Fatalf("bit %d of byte %d does not matter", bit, n)
			}
		}
		if image.Decode(3, data[:n], new(all)) == nil {
			t.Fatalf("%d of %d bytes do", n, len(data))
		}
	}
}

// FuzzDecode has whatever comes with a right checksum be read, or refused.
func FuzzDecode(f *testing.F) {
	data, err := image.Encode(3, whole())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-4])
	f.Fuzz(func(t *testing.T, data []byte) {
		var is all
		if err := image.Decode(3, image.Sealed(data), &is); err == nil {
			encode(t, &is)
		}
	})
}
