// Package help holds the texts of `lastout help TOPIC`.
package help

import (
	"embed"
	"slices"
	"strings"
)

//go:embed *.txt
var files embed.FS

// order is that in which a newcomer reads them.
var order = []string{
	"lastout", "configuration", "order", "shutdown", "drain", "sockets", "readiness", "hooks", "circumstances", "output",
	"trees", "exit-codes", "control", "operate", "health", "journal",
	"report", "upgrade", "guardian", "left-behind", "rehearse", "containers", "vm", "development", "surroundings", "coming-from",
}

// Topics lists the topics there are.
func Topics() []string { return slices.Clone(order) }

// Text is a topic's text, and whether there is such a topic.
func Text(topic string) (string, bool) {
	b, err := files.ReadFile(topic + ".txt")
	return string(b), err == nil
}

// Title is the first line of a topic, after its name.
func Title(topic string) string {
	text, _ := Text(topic)
	line, _, _ := strings.Cut(text, "\n")
	_, title, _ := strings.Cut(line, ": ")
	return title
}
