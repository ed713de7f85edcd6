// Package demo is a small service to try lastout on, with nothing but the built binary: a gateway (an HTTP reverse
// proxy), workers whose answers take a while, a store they count in, a task that runs to its end, and a client.
//
// The gateway knows how to drain: asked over its control socket it lets no new connection in, loses none that is on its
// way, and answers the request when nothing is in hand any more. That is what its pre_drain hook asks for.
//
// Run starts all of it under `lastout run`, puts load on it, and takes it down in the middle: by a hand that tells
// everybody at once, by one that tells the workers first, and by lastout. It keeps a Ledger of every request: what the
// client saw is joined, request by request, with what the workers wrote down themselves.
package demo
