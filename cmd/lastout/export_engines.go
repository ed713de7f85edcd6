package main

import (
	"fmt"
	"net"
	"net/netip"
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
%[5]s`, strconv.Quote(container), x.why(), int(x.wait.Seconds()), delay, x.probes()))
}

// probes are those that a pod can be asked by. The kubelet asks from outside, so they take an address that it reaches.
func (x exported) probes() string {
	host, port, err := net.SplitHostPort(x.Control.Listen)
	ip, noAddress := netip.ParseAddr(host)
	if err != nil || host == "localhost" || noAddress == nil && ip.IsLoopback() {
		return "          # With [control] listen = \"0.0.0.0:9180\" it could be asked: /readyz and /livez are for probes.\n"
	}
	return fmt.Sprintf(`          readinessProbe:
            httpGet: { path: /readyz, port: %[1]s }
            periodSeconds: 2
          livenessProbe:
            httpGet: { path: /livez, port: %[1]s }
`, port)
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
