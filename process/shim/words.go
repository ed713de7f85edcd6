package shim

import (
	"strconv"
	"strings"
)

// The words of circumstances in an order.
const (
	wordUser     = "user=" // uid:gid:group,group
	wordUmask    = "umask="
	wordNice     = "nice="
	wordOOMScore = "oom-score="
	wordLimit    = "limit=" // resource:soft:hard
	wordCaps     = "caps="  // number,number
	wordNoPrivs  = "no-new-privs="
)

// words writes circumstances down.
func (c *Circumstances) words(write func(word string, values ...string)) {
	if c == nil {
		return
	}
	if u := c.User; u != nil {
		write(wordUser, decimal(u.UID)+":"+decimal(u.GID)+":"+list(u.Groups))
	}
	if c.Umask != nil {
		write(wordUmask, decimal(*c.Umask))
	}
	if c.Nice != nil {
		write(wordNice, decimal(*c.Nice))
	}
	if c.OOMScore != nil {
		write(wordOOMScore, decimal(*c.OOMScore))
	}
	for _, l := range c.Limits {
		write(wordLimit, decimal(l.Resource)+":"+strconv.FormatUint(l.Soft, 10)+":"+strconv.FormatUint(l.Hard, 10))
	}
	if c.Caps != nil {
		write(wordCaps, list(c.Caps.Keep))
	}
	if c.NoNewPrivs {
		write(wordNoPrivs, "")
	}
}

// read takes one word in. False: it is none of these, or its value makes no sense.
func (c *Circumstances) read(word, value string) bool {
	switch word {
	case wordUser:
		f := strings.Split(value, ":")
		if len(f) != 3 {
			return false
		}
		u := &User{}
		c.User = u
		return number(f[0], &u.UID) && number(f[1], &u.GID) && numbers(f[2], &u.Groups)
	case wordUmask:
		c.Umask = new(uint32)
		return number(value, c.Umask)
	case wordNice:
		c.Nice = new(int)
		return number(value, c.Nice)
	case wordOOMScore:
		c.OOMScore = new(int)
		return number(value, c.OOMScore)
	case wordLimit:
		f := strings.Split(value, ":")
		l := Limit{}
		if len(f) != 3 || !number(f[0], &l.Resource) || !number(f[1], &l.Soft) || !number(f[2], &l.Hard) {
			return false
		}
		c.Limits = append(c.Limits, l)
		return true
	case wordCaps:
		c.Caps = &Caps{}
		return numbers(value, &c.Caps.Keep)
	case wordNoPrivs:
		c.NoNewPrivs = true
		return value == ""
	}
	return false
}

type integer interface{ ~int | ~uint32 | ~uint64 }

func decimal[T int | uint32](n T) string { return strconv.FormatInt(int64(n), 10) }

func list[T int | uint32](all []T) string {
	texts := make([]string, len(all))
	for i, n := range all {
		texts[i] = decimal(n)
	}
	return strings.Join(texts, ",")
}

// number reads a decimal that fits its type.
func number[T integer](text string, into *T) bool {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		*into = T(n)
		return int64(*into) == n && (*into >= 0) == (n >= 0)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	*into = T(n)
	return err == nil && uint64(*into) == n
}

func numbers[T integer](text string, into *[]T) bool {
	if text == "" {
		return true
	}
	for item := range strings.SplitSeq(text, ",") {
		var n T
		if !number(item, &n) {
			return false
		}
		*into = append(*into, n)
	}
	return true
}
