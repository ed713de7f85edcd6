package engine

import (
	"lastout/process/sockdiag"
	"lastout/supervisor"
)

// survey looks which of the runs listen nowhere. One that cannot be looked into may listen.
func (h *Host) survey(a supervisor.Survey) {
	trees := map[supervisor.Run][]int{}
	for _, run := range a.Runs {
		if c := h.runs[run]; c != nil {
			trees[run] = h.pids(c.tag)
		}
	}
	h.drainers.Go(func() {
		silent, err := silentOf(trees)
		if err != nil {
			h.noteOnce(err.Error())
		}
		h.box.Put(supervisor.Surveyed{Silent: silent})
	})
}

func silentOf(trees map[supervisor.Run][]int) (silent []supervisor.Run, err error) {
	diag, err := sockdiag.Open()
	if err != nil {
		return nil, err
	}
	defer diag.Close()
	for run, pids := range trees {
		listeners, problems, err := diag.Listeners(pids)
		if err != nil {
			return nil, err
		}
		if len(listeners) == 0 && len(problems) == 0 {
			silent = append(silent, run)
		}
	}
	return silent, nil
}
