package main

import (
	"fmt"
	"strconv"

	"github.com/urfave/cli/v2"
)

// What is printed for container engines is a fragment: of the container's image, ports and volumes nothing is known here.
// A word in double quotes with Go's escapes is one of YAML too, as long as it is text.

func (p *program) exportKubernetes(c *cli.Context) error {
	x, err := loadExport(c)
	if err != nil {
		return err
	}
	container := c.String("container")
	if container == "" {
		container = x.Name
	}
	delay := ""
	if x.Options.Delay == 0 {
		delay = "# Clients still come while the endpoint is being taken out: [shutdown] delay = \"5s\" serves them meanwhile.\n"
	}
	return write(p.stdout, fmt.Sprintf(`# A patch for a workload whose container %[1]s runs lastout as its PID 1; kubectl patch or kustomize take it.
# %[2]s.
%[4]sspec:
  template:
    spec:
      terminationGracePeriodSeconds: %[3]d
      containers:
        - name: %[1]s
          env:
            # The same in lastout's words: it keeps its shutdown below that, whatever the configuration says.
            - name: LASTOUT_GRACE
              value: "%[3]ds"
`, strconv.Quote(container), x.why(), int(x.wait.Seconds()), delay))
}

func (p *program) exportCompose(c *cli.Context) error {
	x, err := loadExport(c)
	if err != nil {
		return err
	}
	service := c.String("service")
	if service == "" {
		service = x.Name
	}
	return write(p.stdout, fmt.Sprintf(`# To be merged with the file that has the image: docker compose -f compose.yaml -f this.yaml up
# %[2]s.
services:
  %[1]s:
    init: false # lastout is PID 1 itself
    stop_signal: SIGTERM
    stop_grace_period: %[3]ds
    environment:
      # The same in lastout's words: it keeps its shutdown below that, whatever the configuration says.
      LASTOUT_GRACE: "%[3]ds"
`, strconv.Quote(service), x.why(), int(x.wait.Seconds())))
}
