package sockdiag

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkDrain is one look at all connections of a gateway: the dump, and the class of each. Others are connections
// of other ports, both ends of which are in the kernel's table. Each crowd process holds at most 9,500.
func BenchmarkDrain(b *testing.B) {
	for _, c := range []struct{ mine, others int }{{0, 0}, {0, 38000}, {10, 38000}, {9500, 0}, {9500, 38000}, {47500, 0}} {
		b.Run(fmt.Sprintf("connections=%d/others=%d", c.mine, c.others), func(b *testing.B) {
			ports := crowds(b, c.mine)
			if len(ports) == 0 {
				ports = []uint16{1}
			}
			crowds(b, c.others)
			look(b, ports, c.mine, Query{Network: "tcp4", Ports: ports, States: Serving})
		})
	}
}

// BenchmarkPorts asks for the same connections by one port, and by a filter for several.
func BenchmarkPorts(b *testing.B) {
	ports := crowds(b, 9500)
	crowds(b, 19000)
	for _, n := range []int{1, 2, 20, 200} {
		asked := ports
		for i := range n - 1 {
			asked = append(asked, uint16(2*i+1))
		}
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			look(b, asked, 9500, Query{Network: "tcp4", Ports: asked, States: Serving})
		})
	}
	b.Run("both families", func(b *testing.B) { look(b, ports, 9500, Query{Ports: ports, States: Serving}) })
	b.Run("without TCP_INFO", func(b *testing.B) {
		look(b, ports, 9500, Query{Network: "tcp4", Ports: ports, States: Serving, NoInfo: true})
	})
	b.Run("listeners", func(b *testing.B) { look(b, ports, 1, Query{States: Of(Listening), NoInfo: true}) })
}

// BenchmarkParse is our own part of a look.
func BenchmarkParse(b *testing.B) {
	port, _ := startCrowd(b, 1)
	d := open(b)
	var answer []byte
	request := tcpRequest(unix.AF_INET, Query{States: Of(Established)}, []portRange{{port, port}})
	if err := d.dump(request, func(a []byte) { answer = slices.Clone(a) }); err != nil || answer == nil {
		b.Fatal(len(answer), err)
	}
	var sum Summary
	var s Sample
	b.ReportAllocs()
	for b.Loop() {
		s.parse(answer)
		sum.Add(&s)
	}
}

// BenchmarkDescriptors finds a tree's listeners among 19,000 descriptors.
func BenchmarkDescriptors(b *testing.B) {
	_, pid := startCrowd(b, 9500)
	d := open(b)
	b.ReportAllocs()
	for b.Loop() {
		l, problems, err := d.Listeners([]int{pid})
		if err != nil || len(l) != 1 || len(problems) != 0 {
			b.Fatal(l, problems, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/19000, "ns/descriptor")
}

// crowds starts as many connections, and says on which ports.
func crowds(b *testing.B, n int) (ports []uint16) {
	for ; n > 0; n -= 9500 {
		port, _ := startCrowd(b, min(n, 9500))
		ports = append(ports, port)
	}
	return ports
}

func look(b *testing.B, ports []uint16, want int, q Query) {
	d := open(b)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		var sum Summary
		if err := d.TCP(q, func(s *Sample) {
			if s.State != TimeWait {
				sum.Add(s)
				n++
			}
		}); err != nil || n < want {
			b.Fatalf("%d sockets on %v, want %d: %v", n, ports, want, err)
		}
	}
	if want > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(want), "ns/connection")
	}
}
