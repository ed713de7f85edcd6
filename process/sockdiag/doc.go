// Package sockdiag is what the kernel knows about connections: who listens, who waits to be accepted, and who waits
// for an answer.
//
// # The model
//
// Nothing is counted by hand. Diag asks the kernel over sock_diag(7), which needs no privilege, and gets one Sample
// for each TCP socket on the wanted ports. Classify turns a sample into a Class and is a pure function; Class.Holds
// says whether such a connection keeps a drain from being over; Summary counts, and knows for how long nobody has
// held. Listeners finds the ports of a tree from the descriptors of its processes.
//
// The rule is read off the queues and the clocks of a connection:
//
//	what the kernel shows                                           class         holds in mode
//	a handshake, its SYN-ACK not sent again (younger than 1 s)      HalfOpen      all
//	a handshake, older                                              HalfOpenLate  none
//	no descriptor (inode 0), nothing has come                       Waiting       none
//	no descriptor (inode 0), bytes have come                        Queued        all
//	never a byte came                                               Preconnect    none
//	bytes in the receive queue                                      Unread        all
//	nothing ever acknowledged, or data came later than it was sent  Unanswered    all
//	data came and went within one tick of the kernel's clock        Unsure        all, for 10 s after that
//	bytes in the send queue, of a closed socket too                 Sending       all
//	data was sent later than it came, queues empty                  Idle          Connections, Exit
//	ended by us, all acknowledged, descriptor still open            Ended         Connections, Exit
//	all else (listeners, TIME_WAIT, closed and acknowledged)        None          none
//
// An end (FIN) takes one byte of the sequence, so the kernel counts it in the queues and in what was received; here
// it is taken off.
//
// # Within one tick
//
// The clocks step by 1 to 10 ms, and a fast server answers within a step. An acknowledgement that came in a later
// one tells that an answer was the last word, because a request carries its own acknowledgement. Where even that
// came within the step, and more than one segment with data ever came, a sample cannot tell whether a request was
// answered or an answer was followed by the next request; clients nearby do either in 0.1 ms. Such a connection is
// Unsure. A Judge settles it by a duplicate of its descriptor (pidfd_getfd(2), see ServerSpokeLast); where that is
// refused the connection is taken for busy, and after Doubt for idle. Without CAP_SYS_PTRACE, as in a container,
// the processes of other users refuse it, root or not: their listeners are found all the same where the master that
// holds them is ours.
//
// # Where the kernel's view can be wrong
//
//	the case                                                taken for    set instead
//	a stream that is silent for longer than drain.quiet     idle         until = "connections"
//	HTTP/1 pipelining: one of several requests answered     idle         "connections"; rare, browsers do not
//	100 Continue sent, body on its way for longer           idle         a larger drain.quiet
//	HTTP/2 where the last frame is of the client, SETTINGS  unanswered   "connections", or "probe"
//	or PING acknowledgements, say
//	HTTP/2 with a stream open and a PING answered           idle         "connections", or "probe"
//	TLS 1.3, handshake done, and no session tickets or      unanswered   "probe", or a short drain.timeout
//	early ones, as Go sends them: the client spoke last
//	a client that vanished with an answer on its way        sending      nothing: bounded by drain.timeout
//	a banner followed by the first request within a tick    idle         "connections"
//	a request within the tick of an answer of which the     idle         "connections"; needs a client that pipelines
//	client acknowledges more later (window updates)
//	a keep-alive probe on an Unsure connection              idle         nothing: probes come after Doubt
//	a program that closes connections and reads on          ended        nothing
//	UDP, QUIC                                               not seen     until = "probe"
//	UNIX connections                                        by queues    "connections", or "probe"
//	another network namespace                               not seen     drain.ports does not help; "probe"
//
// A dump is not a snapshot: the kernel walks through its table while connections come and go. Who is in it from
// begin to end is shown; one that changes may be shown twice or as it was, and a very young one missed. So one dump
// that shows nothing is a hint, and a drain is over when two agree. Connections that ended leave no trace.
//
// # Cost
//
// The kernel walks through its whole table of connections, once for IPv4 and once for IPv6, whatever is asked; a
// single port is compared at once there, several by a filter that the kernel runs on each socket. Measured on two
// cores of a virtual machine with Linux 6.18: 0.2 ms for a walk that finds nothing, 0.06 us for each socket of
// other ports (0.25 us with a filter of 20 ports), and 1 to 1.4 us for each connection that is asked for, TCP_INFO
// or not. Our own part of that is 0.1 us, and no memory per socket: 50,000 connections are 70 ms. Finding a tree's
// listeners reads all its descriptors, at 2 us each: do that when processes come, and not at each look.
package sockdiag
