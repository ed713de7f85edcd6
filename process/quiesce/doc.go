// Package quiesce turns new connections away from a listener from outside, for any program, and lets them in again.
// Everything that is in or queued goes on.
//
// # Duplicates
//
// A listener is found among the descriptors of a program's processes and duplicated (pidfd_getfd(2)): the duplicate is
// the program's socket itself, so what is set on it holds for the program. The system call wants what ptrace(2) wants:
// the same user and a program that is dumpable, or CAP_SYS_PTRACE; seccomp profiles may refuse it. A socket that we
// opened ourselves and handed over needs no such thing (Own).
//
// # Ways
//
// They are tried in this order, and none is believed before an own connection proved it:
//
//   - Filter: a classic BPF program (socket(7), SO_ATTACH_FILTER) drops each segment with SYN and without ACK. In a
//     filter of a TCP socket the packet begins at the TCP header, over both families. A handshake under way finishes.
//     It wants CAP_NET_ADMIN on a TCP socket. A program's own filter is left alone, and the next way taken.
//     Connections that finish their handshake inherit the filter, in which it does nothing.
//   - Sentinel: a socket of ours joins the listener's SO_REUSEPORT group (socket(7)) and a program of
//     SO_ATTACH_REUSEPORT_CBPF directs every new SYN to it, where a minimum TTL of 255 (ip(7), IP_MINTTL, and
//     IPV6_MINHOPCOUNT) drops it. Handshakes under way belong to the listener already and finish. It wants no
//     privilege, but the kernel lets only sockets of one user into a group: the sentinel is given to the listener's
//     user by fchown(2), which CAP_CHOWN allows for another one. Below port 1024 it wants CAP_NET_BIND_SERVICE.
//     SO_REUSEPORT is set on the duplicate, which is allowed while it listens; a program that uses SO_REUSEPORT itself
//     needs no duplicate. A program of that option which the program attached itself cannot be read, and is lost.
//     It is the only way for listeners of MPTCP, which Go's are: those take neither a filter nor a minimum TTL.
//     Who sends with a TTL of 255 passes the minimum; for him the sentinel's queue, which has room for one, is filled
//     by an own connection. A handshake under way with a SYN cookie (tcp_syncookies in tcp(7)) belongs to no listener
//     yet and is lost.
//   - MinTTL: the minimum TTL on the listener itself. A handshake under way inherits it, and then its request is
//     dropped for ever; who sends with a TTL of 255 gets in.
//
// A client whose SYN is dropped is not refused: it sends its SYN again, after one second and then more, until somebody
// listens there again or it gives up.
//
// # Proof
//
// An own connection to the listener's address, by each family that it takes, must not be established, and a drop must
// be counted at the socket (SO_MEMINFO): both are seen at once over the loopback device. What was set is read back too,
// for a full accept queue drops as well. The place of a sentinel in its group is proven by an own connection with a TTL
// of 255 that comes out of its queue. It moves when others leave the group: see Reprove. After Undo an own connection
// must be established, which the program sees as one that ends before it spoke.
//
// A listener in another network namespace, or bound to a device other than the loopback, cannot be reached by an own
// connection; it is named and left as it is.
//
// # Unix sockets
//
// There is no way for them that could be undone and that the program does not notice. Filters do not see connect(2). A
// shutdown(2) of the listener refuses clients, lasts whatever is done after it, and leaves it readable without anything
// to accept, so that its program spins. listen(2) once more would show clients our credentials for the program's. A
// changed mode binds only some clients, and a changed path outlives us if we are killed. They are named.
//
// # The end
//
// A duplicate keeps a socket listening that its program closed. Release closes the duplicates before the program is
// told to leave, and leaves the door shut; Close takes the sentinel away when the program is gone, and its port is free
// at once. A fork under way holds all descriptors for a moment longer.
//
// # Preconnects
//
// A connection that never carried a byte makes a program's own graceful stop wait. EndPreconnect lets the program read
// end of file (shutdown(2), SHUT_RD, on a duplicate), after which a late byte can still be answered, or destroys it
// (SOCK_DESTROY of sock_diag(7)), which the client sees as a reset.
//
// # Kept connections
//
// A program's own graceful stop closes the connections it keeps. A request that has come in on one by then, and was not
// read, is reset although its client knows that it arrived. HoldBack keeps requests from arriving for that moment.
package quiesce
