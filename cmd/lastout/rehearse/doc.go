// Package rehearse starts a tree under `lastout run`, puts real load on it, takes it down in the middle of the load,
// and accounts for every request. The same can be done by a naive hand instead of lastout, for comparison.
package rehearse
