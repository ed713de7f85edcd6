// Package systemd tells the service manager that started us how we are, as sd_notify(3) describes: by datagrams to the
// socket that NOTIFY_SOCKET names.
//
// It is not a library's call: that one waits for as long as the manager's queue is full, and here the teller is the only
// loop of a supervisor. A Manager takes what is to be said without waiting, says it from a goroutine of its own that has
// nothing to do while nothing happens, joins what comes faster than it can be said or needs to be read, and loses only
// what newer words replace.
package systemd
