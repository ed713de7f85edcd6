package quiesce

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

const maxTTL = 255

// ttlOption is a lower bound for the TTL of what a socket takes, by family.
type ttlOption struct{ level, opt int }

// ttlOptions are those that a socket of a domain has: one of IPv6 may take IPv4 too.
func ttlOptions(domain int) []ttlOption {
	v4 := ttlOption{unix.IPPROTO_IP, unix.IP_MINTTL}
	if domain == unix.AF_INET {
		return []ttlOption{v4}
	}
	return []ttlOption{{unix.IPPROTO_IPV6, unix.IPV6_MINHOPCOUNT}, v4}
}

var ttlWords = map[unix.Errno]string{unix.EOPNOTSUPP: "a listener of MPTCP has none"}

// setMinTTL makes a socket drop what did not come with the highest TTL there is, and keeps the bounds it had.
func setMinTTL(s *socket, domain int) error {
	was := make(map[ttlOption]int)
	for _, o := range ttlOptions(domain) {
		v, err := unix.GetsockoptInt(s.fd, o.level, o.opt)
		if err == nil {
			err = unix.SetsockoptInt(s.fd, o.level, o.opt, maxTTL)
		}
		if err != nil {
			return errors.Join(explain("cannot set a minimum TTL", err, ttlWords), restoreTTL(s.fd, was))
		}
		was[o] = v
	}
	s.ttl = was
	for o := range was {
		if v, err := unix.GetsockoptInt(s.fd, o.level, o.opt); err != nil || v != maxTTL {
			return fmt.Errorf("%w: the minimum TTL is not there when it is read back", ErrUnproven)
		}
	}
	return nil
}

func restoreTTL(fd int, was map[ttlOption]int) error {
	var errs []error
	for o, v := range was {
		errs = append(errs, explain("cannot restore the minimum TTL", unix.SetsockoptInt(fd, o.level, o.opt, v), nil))
	}
	return errors.Join(errs...)
}
