// Package load sends requests to a server as the world does, while that server is being shut down, and keeps a record
// of what became of each: answered, refused at the door, or lost.
//
// It talks HTTP/1.1 over connections of its own instead of those of net/http's transport, because that one repeats a
// request in silence when a kept connection breaks, and so would hide exactly the losses that are looked for here.
package load
