package acceptance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// dockerCaps are the capabilities that Docker and Podman leave a container by default (CAP_NET_ADMIN is none of them).
var dockerCaps = []string{
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETFCAP",
	"CAP_SETGID", "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
}

// bundle is what a container is made of. Its root is read-only.
type bundle struct {
	args    []string
	env     []string
	user    int
	image   map[string]string // all there is on the root: of each path there, the file here. nil: /ours and /conf
	files   map[string]string // of /conf
	seccomp map[string]any    // nil: none
	host    bool              // the host's programs are there too
	cgroup  bool              // it sees its cgroup (v2), and may write there
	out     string            // the folder here that is /out there
	net     *space            // nil: a network of its own
}

// write makes an OCI bundle.
func (b *bundle) write(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "rootfs")
	mounted := []string{"dev", "proc", "sys"} // as Docker adds them to any image
	if b.out != "" {
		mounted = append(mounted, "out")
	}
	if b.image == nil {
		mounted = append(mounted, "bin", "conf", "run", "tmp")
	}
	for _, d := range mounted {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range b.files {
		if err := os.WriteFile(filepath.Join(root, "conf", name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range b.image {
		copyFile(t, from, filepath.Join(root, to))
	}
	spec, err := json.Marshal(b.spec(dir))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "config.json"), spec, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyFile copies a file with its mode, and makes the folders above it.
func copyFile(t testing.TB, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil && os.Link(from, to) == nil {
		return
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(from)
	}
	if err == nil {
		err = os.WriteFile(to, text, info.Mode().Perm())
	}
	if err != nil {
		t.Fatal(err)
	}
}

type object = map[string]any

// spec is the bundle's config.json (OCI runtime specification 1.0).
func (b *bundle) spec(token string) object {
	namespaces := []object{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}}
	network := object{"type": "network"}
	if b.net != nil {
		network["path"] = b.net.path + "/ns/net"
	}
	namespaces = append(namespaces, network)
	if b.cgroup {
		namespaces = append(namespaces, object{"type": "cgroup"})
	}
	linux := object{
		"namespaces":    namespaces,
		"maskedPaths":   []string{"/proc/kcore", "/proc/keys", "/sys/firmware"},
		"readonlyPaths": []string{"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
	}
	if b.seccomp != nil {
		linux["seccomp"] = b.seccomp
	}
	caps := object{"bounding": dockerCaps, "effective": dockerCaps, "permitted": dockerCaps}
	return object{
		"ociVersion": "1.0.2", "hostname": "test", "root": object{"path": "rootfs", "readonly": true}, "linux": linux,
		"mounts": b.mounts(),
		"process": object{
			"user": object{"uid": b.user, "gid": b.user}, "cwd": "/", "args": b.args, "capabilities": caps,
			"env": append([]string{"PATH=/ours:/usr/sbin:/usr/bin:/sbin:/bin", "TEST_TOKEN=" + token}, b.env...),
		},
	}
}

func (b *bundle) mounts() []object {
	mount := func(to, kind, from string, options ...string) object {
		return object{"destination": to, "type": kind, "source": from, "options": options}
	}
	all := []object{
		mount("/proc", "proc", "proc"),
		mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755"),
		mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777"),
	}
	if b.cgroup {
		all = append(all, mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
			mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "rw"))
	}
	if b.out != "" {
		all = append(all, mount("/out", "bind", b.out, "bind", "rw"))
	}
	if b.image == nil {
		all = append(all, mount("/ours", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"))
		for name, file := range map[string]string{"lastout": lastoutBin, "web": webBin, "child": childBin} {
			all = append(all, mount("/ours/"+name, "bind", file, "bind", "ro"))
		}
	}
	if b.image == nil || b.host {
		all = append(all, mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777"),
			mount("/run", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=755"))
	}
	if !b.host {
		return all
	}
	for _, dir := range hostPrograms() {
		all = append(all, mount(dir, "bind", dir, "rbind", "ro"))
	}
	for _, dir := range []string{"/var/log", "/var/lib", "/var/lib/nginx"} {
		all = append(all, mount(dir, "tmpfs", "tmpfs", "mode=755"))
	}
	return all
}

// hostPrograms are the folders that the host's packages are in. /usr/local is not the packages'.
func hostPrograms() []string {
	dirs := []string{"/bin", "/sbin", "/lib", "/lib64", "/etc"}
	for _, d := range []string{"bin", "sbin", "lib", "lib64", "libexec", "share"} {
		dirs = append(dirs, "/usr/"+d)
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		_, err := os.Stat(dir)
		return err != nil
	})
}
