package control

import (
	"errors"
	"net/http"
	"testing"
)

// TestUpgrade begins the exec only behind the answer, and not for a trial.
func TestUpgrade(t *testing.T) {
	s := serveOurs(t, newFake())
	begun := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.upgrades)
	}
	if _, err := s.client.Upgrade(within(t), UpgradeRequest{Binary: "/bin/new", DryRun: true}); err != nil || begun() != 0 {
		t.Errorf("a trial: %v, %d upgrades", err, begun())
	}
	got, err := s.client.Upgrade(within(t), UpgradeRequest{Binary: "/bin/new"})
	if err != nil || got.To != "v2" {
		t.Fatalf("%+v, %v", got, err)
	}
	done, err := s.client.Upgraded(within(t), got.Number)
	if err != nil || done.Kept != 3 || begun() != 1 {
		t.Errorf("%+v, %v, %d upgrades", done, err, begun())
	}
	var refused *Refused
	if _, err := s.client.Upgrade(within(t), UpgradeRequest{Binary: "/bin/none"}); !errors.As(err, &refused) || refused.Status != http.StatusConflict {
		t.Errorf("%v", err)
	}
	if _, err := s.client.Upgraded(within(t), 2); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("%v", err)
	}
}
