package report

// lane is the line of one instance, or one of the thin lines of a band of many copies.
type lane struct {
	of    *Instance
	y     float64 // of the bar's top
	high  float64 // the bar
	pitch float64
	band  []*Instance // its first lane: all of the band
	thin  bool        // one of a band
}

// How dense lanes are, by how many instances there are.
const (
	roomyMost = 40
	closeMost = 100
	bandLeast = 6 // copies that share a band, where it is dense
)

// layOut gives everybody a lane.
func (c *Chart) layOut() {
	all := c.Shutdown.Instances
	pitch, high := 28.0, 16.0
	switch {
	case len(all) > closeMost:
		c.layOutDense()
		return
	case len(all) > roomyMost:
		pitch, high = 20, 12
	}
	for i := range all {
		c.lanes = append(c.lanes, lane{of: &all[i], y: float64(i)*pitch + (pitch-high)/2, high: high, pitch: pitch})
	}
}

// layOutDense puts the copies of a process together, where there are many, as thin lines under one name.
func (c *Chart) layOutDense() {
	const pitch, high, thin, gap, least, most = 16.0, 10.0, 5.0, 7.0, 18.0, 400.0
	y := 0.0
	for _, group := range c.groups() {
		if len(group) < bandLeast {
			for _, x := range group {
				c.lanes = append(c.lanes, lane{of: x, y: y + (pitch-high)/2, high: high, pitch: pitch})
				y += pitch
			}
			continue
		}
		y += gap / 2
		each := max(min(thin, most/float64(len(group))), least/float64(len(group)))
		for n, x := range group {
			l := lane{of: x, y: y, high: each, thin: true}
			switch {
			case x.class() != "well":
				l.high = max(each, thin) // one that is to be seen among a thousand
			case each > 3:
				l.high--
			}
			l.pitch = l.high + gap/2
			if n == 0 {
				l.band = group
			}
			c.lanes = append(c.lanes, l)
			y += max(each, l.high)
		}
		y += gap / 2
	}
}

// groups are the instances by process, in the order in which the last of each left.
func (c *Chart) groups() [][]*Instance {
	var order []string
	by := map[string][]*Instance{}
	all := c.Shutdown.Instances
	last := map[string]int{}
	for i := range all {
		by[all[i].Process] = append(by[all[i].Process], &all[i])
		last[all[i].Process] = i
	}
	for i := range all {
		if last[all[i].Process] == i {
			order = append(order, all[i].Process)
		}
	}
	groups := make([][]*Instance, len(order))
	for i, name := range order {
		groups[i] = by[name]
	}
	return groups
}
