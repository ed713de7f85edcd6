package config

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxDuration is the longest duration: a wait of more than a year is a slip, and sums of shorter ones stay in an int64.
const maxDuration = 365 * 24 * time.Hour

// parseDuration reads a duration such as "1m30s".
func parseDuration(s string, zero bool) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is no duration%s", s, nearDuration(s))
	case d < 0:
		return 0, fmt.Errorf("%q is below zero", s)
	case d == 0 && !zero:
		return 0, fmt.Errorf("%q: it must be longer than 0", s)
	case d == 0 && !strings.ContainsAny(s, "hmsuµ"):
		return 0, errors.New(`"0" has no unit: did you mean "0s"?`)
	case d > maxDuration:
		return 0, fmt.Errorf("%q is longer than a year (8760h)", s)
	}
	return d, nil
}

var (
	bareNumber = regexp.MustCompile(`^\d+(\.\d+)?$`)
	oddUnit    = regexp.MustCompile(`^(\d+)\s*([A-Za-z]+)$`)
)

// units are ways to write a unit that Go's durations do not know.
var units = map[string]string{
	"sec": "s", "secs": "s", "second": "s", "seconds": "s", "S": "s", "s": "s",
	"min": "m", "mins": "m", "minute": "m", "minutes": "m", "M": "m", "m": "m",
	"hour": "h", "hours": "h", "hr": "h", "H": "h", "h": "h",
	"msec": "ms", "millis": "ms", "milliseconds": "ms", "ms": "ms",
}

// nearDuration suggests what may have been meant.
func nearDuration(s string) string {
	if bareNumber.MatchString(s) {
		return fmt.Sprintf(": did you mean %q?", s+"s")
	}
	if m := oddUnit.FindStringSubmatch(s); m != nil {
		if unit, ok := units[m[2]]; ok {
			return fmt.Sprintf(": did you mean %q?", m[1]+unit)
		}
		if n, err := strconv.Atoi(m[1]); err == nil && strings.HasPrefix(m[2], "d") && n <= 365 {
			return fmt.Sprintf(": did you mean %q?", strconv.Itoa(24*n)+"h")
		}
	}
	return ` (such as "500ms", "30s" or "1m30s")`
}

var size = regexp.MustCompile(`^(\d+)(B|[KMGT]iB|[KMGT]|[kKMGT]B)?$`)

var sizes = map[string]int64{
	"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40, // as the kernel and service managers read them
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// oddSize is a size in a way that others write it: "64m", "64 MiB", "64Mi".
var oddSize = regexp.MustCompile(`^(\d+) *([kmgtKMGT])([iI]?[bB]?)$`)

// nearSize suggests what may have been meant.
func nearSize(s string) string {
	m := oddSize.FindStringSubmatch(s)
	if m == nil {
		return ` (such as "64KiB", "10MiB" or "1GiB")`
	}
	return fmt.Sprintf(": did you mean %q?", m[1]+strings.ToUpper(m[2])+"iB")
}

// parseSize reads a size in bytes such as "10MiB".
func parseSize(s string) (int64, error) {
	m := size.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is no size%s", s, nearSize(s))
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if unit := sizes[m[2]]; err == nil && n <= math.MaxInt64/unit {
		n *= unit
	} else {
		return 0, fmt.Errorf("%q is more than there can be", s)
	}
	if n == 0 {
		return 0, fmt.Errorf("%q: it must be more than 0", s)
	}
	return n, nil
}
