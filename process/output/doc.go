// Package output carries what children write to where it shall go, line by line and without loss.
//
// A Pipe reads a child's stdout and stderr; no buffer is held while the child is silent. A Sink writes: to our stdout,
// or to a file that is rotated by size and count. A sink that is blocked holds its writers back, as a pipe would; once
// Hurry was called (a shutdown began) it holds them for a bounded time only, then drops whole lines and counts them, so
// that a blocked stdout never stalls a shutdown.
package output
