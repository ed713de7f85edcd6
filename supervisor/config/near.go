package config

// Closest is the candidate that a misspelt name was most likely meant to be; "" where none is near. It is there for
// those who read names from elsewhere, the command line for one.
func Closest(name string, candidates []string) string { return closest(name, candidates) }
