// Package held opens sockets that are handed to programs: a listener that its opener keeps outlives the program that
// takes connections from it, with its queue.
//
// They are plain TCP (Go's own listeners are MPTCP, which takes no filter), UDP, and unix stream sockets. They are raw
// descriptors and no *os.File or net.Listener, for the runtime must neither watch them, which would wake it at each
// client, nor change whether they block, which the program inherits.
//
// # Unix sockets
//
// The file of a unix socket stays when its socket is closed. One that nobody listens at is replaced, another's is
// refused; our own is removed at the end, if it is still our own. New clients are turned away from a unix socket by
// moving its file aside: whoever is connected or queued goes on, and whoever comes finds no file (ENOENT), until it is
// moved back. An abstract socket has no file, and no such way.
package held
