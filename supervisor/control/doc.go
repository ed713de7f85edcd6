// Package control is how a running tree is looked at and operated: HTTP with JSON over a unix socket, the client of it,
// and health and metrics over TCP. It decides nothing and keeps no truth of its own: what it shows is the machine's
// snapshot and reports, what it is asked to do it hands to the machine.
//
// # The socket
//
// It is 0600 in a folder that is 0700, and whoever connects is asked for his credentials by way of the kernel: root and
// the owner may do everything, others what the configuration grants them (the socket is 0666 in a 0711 folder then, and
// the credentials alone decide). Who comes to a socket that is there already connects: where nobody accepts any more, its
// master is dead, and it is replaced; a living one is not. That is done under a lock, so that of two that start at once one
// wins. The socket goes with its master, at the very end.
//
// # Nobody holds anything
//
// A Server has a bound for everything: the head and the body of a request, the time it takes to come, the time its answer
// takes to go, the connections at once, those who follow. Where one too many connects, whoever has been idle for longest
// goes. Who follows events or output reads from a ring by a position of his own (package recent): a reader that is slow
// misses lines, and is told so; a reader that does not read is cut off. The machine's loop is asked for a snapshot, which
// is made between two steps, and for nothing else; it never waits for a client. While nobody asks, nothing is computed
// but the counters of the metrics and the ring of the last reports.
//
// # One table
//
// The routes stand in one table, which the server's mux, the check of rights and the OpenAPI description are made from;
// schemas come from the Go types of requests and answers. Paths begin with /v1; fields may be added, and none changes.
package control
