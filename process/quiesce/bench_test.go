package quiesce

import (
	"fmt"
	"os"
	"testing"
)

// BenchmarkQuiesce is what a shutdown without traffic pays for each listener.
func BenchmarkQuiesce(b *testing.B) {
	for _, s := range []server{{Addr: "127.0.0.1:0"}, {Addr: "[::]:0"}, {Addr: "[::]:0", Members: 4}} {
		for _, way := range Best {
			if can(b, way, s) != nil {
				continue
			}
			b.Run(fmt.Sprintf("%v/%v", s, way), func(b *testing.B) {
				r := start(b, s)
				r.tell("accept")
				for b.Loop() {
					list, _ := Listeners([]int{r.pid})
					if _, err := list[0].Quiesce(way); err != nil {
						b.Fatal(err)
					}
					if err := list[0].Close(); err != nil {
						b.Fatal(err)
					}
					if way != Sentinel { // let it be as it was, by the next look
						b.StopTimer()
						list, _ := Listeners([]int{r.pid})
						list[0].way = way
						for _, s := range list[0].sockets {
							s.ttl = map[ttlOption]int{}
							for _, o := range ttlOptions(list[0].domain) {
								s.ttl[o] = 0
							}
						}
						if err := list[0].Undo(); err != nil {
							b.Fatal(err)
						}
						list[0].Close()
						b.StartTimer()
					}
				}
			})
		}
	}
}

// BenchmarkListeners looks through many descriptors for the few that listen.
func BenchmarkListeners(b *testing.B) {
	for range 4000 {
		f, err := os.Open("/dev/null")
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
	}
	for b.Loop() {
		list, _ := Listeners([]int{os.Getpid()})
		for _, l := range list {
			l.Close()
		}
	}
}
