package acceptance

import (
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// profileFile is Podman's default seccomp profile (Debian's golang-github-containers-common).
const profileFile = "/usr/share/containers/seccomp.json"

// profile is what is used of the format of Podman's and Docker's profiles. A rule may depend on the machine and on the
// capabilities of the container; what is left is the seccomp of an OCI bundle.
type profile struct {
	DefaultAction string `json:"defaultAction"`
	DefaultErrno  *uint  `json:"defaultErrnoRet,omitempty"`
	ArchMap       []struct {
		Architecture string   `json:"architecture"`
		Sub          []string `json:"subArchitectures"`
	} `json:"archMap"`
	Rules []rule `json:"syscalls"`
}

type rule struct {
	Names    []string  `json:"names"`
	Action   string    `json:"action"`
	Errno    *uint     `json:"errnoRet,omitempty"`
	Args     []ruleArg `json:"args,omitempty"`
	Includes condition `json:"includes,omitzero"`
	Excludes condition `json:"excludes,omitzero"`
}

type ruleArg struct {
	Index uint   `json:"index"`
	Value uint64 `json:"value"`
	Two   uint64 `json:"valueTwo,omitempty"`
	Op    string `json:"op"`
}

type condition struct {
	Arches []string `json:"arches"`
	Caps   []string `json:"caps"`
	Kernel string   `json:"minKernel"`
}

// seccomp makes the profile that a container with these capabilities gets. The system calls in without are refused with
// EPERM, as Docker's own profile refuses what it does not grant.
func seccomp(t testing.TB, caps []string, without ...string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(profileFile)
	if os.IsNotExist(err) {
		unable(t, profileFile+" is not installed")
	}
	var p profile
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		t.Fatal(err)
	}
	var rules []rule
	seen := map[string]bool{}
	for _, r := range p.Rules {
		if !r.Includes.holds(caps, true) || r.Excludes.holds(caps, false) {
			continue
		}
		r.Includes, r.Excludes = condition{}, condition{}
		r.Names = slices.DeleteFunc(slices.Clone(r.Names), func(name string) bool {
			seen[name] = true
			return slices.Contains(without, name)
		})
		if len(r.Names) > 0 {
			rules = append(rules, r)
		}
	}
	for _, name := range without {
		if !seen[name] {
			t.Fatalf("%s grants no %s that could be taken away", profileFile, name)
		}
	}
	if len(without) > 0 {
		denied := uint(unix.EPERM)
		rules = append(rules, rule{Names: without, Action: "SCMP_ACT_ERRNO", Errno: &denied})
	}
	made := map[string]any{"defaultAction": p.DefaultAction, "syscalls": rules}
	if p.DefaultErrno != nil {
		made["defaultErrnoRet"] = *p.DefaultErrno
	}
	for _, m := range p.ArchMap {
		if m.Architecture == map[string]string{"amd64": "SCMP_ARCH_X86_64", "arm64": "SCMP_ARCH_AARCH64"}[runtime.GOARCH] {
			made["architectures"] = append([]string{m.Architecture}, m.Sub...)
		}
	}
	return made
}

// holds says whether a rule's condition is met; one that says nothing is met or not as empty says. Kernels are taken to
// be newer than any that a profile names.
func (c condition) holds(caps []string, empty bool) bool {
	if len(c.Arches) == 0 && len(c.Caps) == 0 && c.Kernel == "" {
		return empty
	}
	arch := len(c.Arches) == 0 || slices.Contains(c.Arches, runtime.GOARCH)
	granted := len(c.Caps) == 0 || slices.ContainsFunc(c.Caps, func(name string) bool { return slices.Contains(caps, name) })
	return arch && granted
}
