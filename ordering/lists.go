package ordering

// index is what a list of successors is kept by and holds: an ID, or a place among the steps.
type index interface{ ~int | ~int32 }

// transpose turns lists of successors into lists of predecessors, ascending and without doubles, in time proportional
// to the edges. Twice over, it puts lists in order.
func transpose[T index](lists [][]T) [][]T {
	counts := make([]int, len(lists))
	total := 0
	for _, list := range lists {
		total += len(list)
		for _, to := range list {
			counts[to]++
		}
	}
	flat := make([]T, total)
	turned := make([][]T, len(lists))
	for i, n := range counts {
		turned[i], flat = flat[:0:n], flat[n:]
	}
	for from, list := range lists {
		for _, to := range list {
			if n := len(turned[to]); n == 0 || turned[to][n-1] != T(from) {
				turned[to] = append(turned[to], T(from))
			}
		}
	}
	return turned
}

// both puts lists of successors in order, and gives the predecessors with them.
func both[T index](lists [][]T) (out, in [][]T) {
	in = transpose(lists)
	return transpose(in), in
}

// sorted is a topological order: everything stands behind its predecessors. Where there is a cycle, it holds only what
// comes before one.
func sorted[T index](out, in [][]T) []T {
	waits := make([]int, len(in))
	order := make([]T, 0, len(in))
	for i, list := range in {
		if waits[i] = len(list); waits[i] == 0 {
			order = append(order, T(i))
		}
	}
	for at := 0; at < len(order); at++ {
		for _, to := range out[order[at]] {
			if waits[to]--; waits[to] == 0 {
				order = append(order, to)
			}
		}
	}
	return order
}

// reached marks everything that can be reached from the given starts; these are marked only where they are reached
// themselves.
func reached[T index](out [][]T, starts ...T) []bool {
	seen := make([]bool, len(out))
	todo := append([]T(nil), starts...)
	for len(todo) > 0 {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, to := range out[at] {
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}
