// Package report makes one shutdown, out of the machine's reports, understandable to a person: in which order, who
// waited for whom and how long, which signals were sent, who was killed and why.
package report
