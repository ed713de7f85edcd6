package onecmd

// What package strings has. It is initialised late: it waits for the tables of package unicode.

// cut cuts a text at a byte, as strings.Cut does.
func cut(s string, at byte) (before, after string, found bool) {
	for i := range len(s) {
		if s[i] == at {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func hasPrefix(s, prefix string) bool { return len(s) >= len(prefix) && s[:len(prefix)] == prefix }

func cutPrefix(s, prefix string) (rest string, ok bool) {
	if !hasPrefix(s, prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

func hasSlash(s string) bool {
	_, _, found := cut(s, '/')
	return found
}

// isNumber says that there is nothing but digits.
func isNumber(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
