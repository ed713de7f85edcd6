package engine

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastout/process/quiesce"
	"lastout/supervisor"
	"lastout/supervisor/config"
)

var errRefused = errors.New("pidfd_getfd: refused")

// TestOutlookWords is what is said of what works, and of what does not.
func TestOutlookWords(t *testing.T) {
	all := quiesce.Capabilities{}
	bare := quiesce.Capabilities{
		Filter: unix.EPERM, Sentinel: unix.EPERM, MinTTL: unix.EPERM, Destroy: unix.EPERM, See: unix.EPROTONOSUPPORT,
	}
	for _, test := range []struct {
		caps      quiesce.Capabilities
		duplicate error
		keep      bool
		how       string
		missing   []string
	}{
		{all, nil, false, "a drain here turns new connections away by filter, ends preconnects by shutdown, sees its connections", nil},
		{all, nil, true, "a drain here turns new connections away by filter, sees its connections", nil},
		{quiesce.Capabilities{Filter: unix.EPERM}, nil, true, "a drain here turns new connections away by sentinel, sees its connections", nil},
		{
			all, errRefused, false, "a drain here ends preconnects by SOCK_DESTROY, sees its connections",
			[]string{"cannot turn new connections away from a listener: no duplicate of the socket: pidfd_getfd: refused"},
		},
		{bare, errRefused, false, "", []string{
			"cannot end connections that never carried a byte: pidfd_getfd: refused; operation not permitted",
			"cannot see its connections: protocol not supported",
			"cannot turn new connections away from a listener: no duplicate of the socket: pidfd_getfd: refused",
		}},
	} {
		o := outlook("edge", &config.Drain{KeepPreconnects: test.keep}, test.caps, test.duplicate)
		o.turns(test.caps.Foresee(test.duplicate))
		if o.How() != test.how || !slices.Equal(o.Missing, test.missing) {
			t.Errorf("%q, %q\nwant %q, %q", o.How(), o.Missing, test.how, test.missing)
		}
	}
}

// What a gateway's drain can do is said once, when it is ready, of its own listeners: it comes true.
func TestOutlookOfGateway(t *testing.T) {
	r := newRig(t)
	r.gateway(supervisor.UntilQuiet).probed(config.Probe{Log: regexp.MustCompile("^listens")})
	r.start()
	said := r.await("what its drain can do", func(x supervisor.Report) bool { return x.Kind == supervisor.KindOutlook })
	if out := r.stop(); out.Code != 0 {
		t.Errorf("outcome %+v", out)
	}
	done := r.quiesced()
	way, _, _ := strings.Cut(done.Cause, " ")
	if said.Instance != "edge" || !strings.Contains(said.Cause, "turns new connections away by "+way+", ") {
		t.Errorf("foreseen was %q, and it came to %q", said.Cause, done.Cause)
	}
}

// An own child tells what may be done to children.
func TestOutlookChild(t *testing.T) {
	err := tryChild()
	if own := quiesce.MayDuplicate(os.Getpid()); (err == nil) != (own == nil) {
		t.Errorf("%v, and of an own socket %v", err, own)
	}
}
