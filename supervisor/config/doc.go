// Package config reads lastout.toml into a checked model. It finds every fault at once, each with its file, its line and
// a suggestion; a configuration with a fault yields no model at all, so a bad file starts nothing.
//
// One schema table says which keys there are, of which type, with which rule, and which of them this build does not have
// yet: those are refused by name. The file is decoded to plain maps and walked against that table; an index of our own
// knows the line of every key, for the TOML library hides them.
package config
