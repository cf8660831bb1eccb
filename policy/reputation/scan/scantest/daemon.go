//go:build unix

// Package scantest runs real scanners for tests, with signatures that know a harmless marker: clamd, c-icap with its antivirus
// service, and yara, as Debian packages them (clamav-daemon, c-icap, libc-icap-mod-virus-scan, yara). A test whose scanner is
// missing is skipped, and says so.
package scantest

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Marker is what the signatures know. It does nothing.
const Marker = "SALLYPORT-HARMLESS-SCANNER-TEST-MARKER"

// Names under which clamd and yara know the marker.
const (
	ClamdName = "Sallyport.Marker.UNOFFICIAL"
	YaraName  = "Sallyport_Marker"
)

// Daemon is a scanner that runs as a process of its own.
type Daemon struct {
	t       testing.TB
	dir     string
	argv    []string
	network string
	address string
	cmd     *exec.Cmd
	ended   chan struct{} // closed when cmd has
	output  bytes.Buffer
	ready   func(net.Conn) bool
	move    func() // has it listen at another address, because somebody else may have taken that; nil if that cannot be
}

// need returns the path of a program, or skips the test.
func need(t testing.TB, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
		for _, dir := range []string{"/usr/sbin", "/usr/local/sbin"} {
			if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return path
			}
		}
	}
	t.Skipf("%s is not installed here: scanning with it is left out", names[0])
	return ""
}

func write(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// short makes a folder whose path is short enough for sockets in it. It lies in /tmp, since Debian's profile for AppArmor lets clamd
// nowhere else.
func short(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "st-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// Clamd starts a clamd that knows the marker and nothing else. Lines of further configuration are added to its own.
func Clamd(t testing.TB, more ...string) *Daemon {
	t.Helper()
	program := need(t, "clamd")
	dir := short(t)
	socket, conf := filepath.Join(dir, "clamd.sock"), filepath.Join(dir, "clamd.conf")
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	d := &Daemon{t: t, dir: dir, argv: []string{program, "-c", conf}, network: "unix", address: socket, ready: pong}
	d.Signatures("Sallyport.Marker:0:*:" + hex.EncodeToString([]byte(Marker)))
	lines := append([]string{"LocalSocket " + socket, "DatabaseDirectory " + filepath.Join(dir, "db"), "TemporaryDirectory " + dir, "Foreground yes", "AlertExceedsMax yes"}, more...)
	if os.Getuid() == 0 {
		lines = append(lines, "User root")
	}
	write(t, conf, strings.Join(lines, "\n")+"\n")
	d.Start()
	t.Cleanup(d.Stop)
	return d
}

// Signatures replaces what a clamd knows (lines of an .ndb file) from its next start on.
func (d *Daemon) Signatures(lines ...string) {
	write(d.t, filepath.Join(d.dir, "db", "test.ndb"), strings.Join(lines, "\n")+"\n")
}

func pong(c net.Conn) bool {
	c.Write([]byte("zPING\x00"))
	answer := make([]byte, 5)
	n, _ := io.ReadFull(c, answer)
	return string(answer[:n]) == "PONG\x00"
}

// ICAP starts a c-icap whose service "avscan" has files scanned by a clamd, and whose service "echo" changes nothing. Files are
// scanned that are of one of the types; of every type, if none is given.
func ICAP(t testing.TB, clamd *Daemon, types ...string) *Daemon {
	t.Helper()
	if len(types) == 0 {
		types = []string{"TEXT", "DATA", "EXECUTABLE", "ARCHIVE", "GRAPHICS", "STREAM", "DOCUMENT"}
	}
	program := need(t, "c-icap")
	var modules string
	for _, pattern := range []string{"/usr/lib/*/c_icap", "/usr/lib/c_icap", "/usr/lib64/c_icap"} {
		found, _ := filepath.Glob(filepath.Join(pattern, "virus_scan.so"))
		if len(found) > 0 {
			modules = filepath.Dir(found[0])
		}
	}
	if modules == "" {
		t.Skip("libc-icap-mod-virus-scan is not installed here: scanning with it is left out")
	}
	dir := short(t)
	conf := filepath.Join(dir, "c-icap.conf")
	d := &Daemon{t: t, dir: dir, argv: []string{program, "-N", "-f", conf}, network: "tcp", ready: options(filepath.Base(dir))}
	d.move = func() {
		d.address = freeAddress(t)
		write(t, conf, fmt.Sprintf(icapConf, dir, d.address, modules, clamd.address, strings.Join(types, " "), filepath.Base(dir)))
	}
	d.move()
	d.Start()
	t.Cleanup(d.Stop)
	return d
}

// icapConf is c-icap's configuration: its folder, its address, where modules lie, clamd's socket, the types to be scanned, and a service
// that no other has.
const icapConf = `PidFile %[1]s/pid
CommandsSocket %[1]s/ctl
StartServers 1
MaxServers 1
ThreadsPerChild 8
MinSpareThreads 1
MaxSpareThreads 8
Port %[2]s
TmpDir %[1]s
ModulesDir %[3]s
ServicesDir %[3]s
TemplateDir /usr/share/c_icap/templates/
TemplateDefaultLanguage en
LoadMagicFile /etc/c-icap/c-icap.magic
ServerLog %[1]s/server.log
AccessLog %[1]s/access.log
Service echo srv_echo.so
Module common clamd_mod.so
clamd_mod.ClamdSocket %[4]s
Service antivirus_module virus_scan.so
ServiceAlias %[6]s echo
ServiceAlias avscan virus_scan?allow204=on&sizelimit=off&mode=simple
virus_scan.ScanFileTypes %[5]s
virus_scan.MaxObjectSize 100M
virus_scan.DefaultEngine clamd
`

// options asks for the service that only this server has.
func options(service string) func(net.Conn) bool {
	return func(c net.Conn) bool {
		fmt.Fprintf(c, "OPTIONS icap://localhost/%s ICAP/1.0\r\nHost: localhost\r\n\r\n", service)
		answer := make([]byte, 12)
		n, _ := io.ReadFull(c, answer)
		return string(answer[:n]) == "ICAP/1.0 200"
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Address is where it listens, as a policy writes it: of clamd a whole address, of c-icap host and port.
func (d *Daemon) Address() string {
	if d.network == "unix" {
		return "unix:" + d.address
	}
	return d.address
}

// Start runs it, and waits until it answers.
func (d *Daemon) Start() {
	d.t.Helper()
	for range 5 {
		if d.run() {
			return
		}
		if d.move == nil {
			break
		}
		d.move()
	}
	d.t.Fatalf("%s does not answer:\n%.4000s", d.argv[0], d.output.String())
}

// startTime is how long a daemon may take to answer, on however busy a machine.
const startTime = 2 * time.Minute

// run reports whether it runs and answers.
func (d *Daemon) run() bool {
	d.t.Helper()
	d.output.Reset()
	cmd := exec.Command(d.argv[0], d.argv[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.Dir = &d.output, &d.output, d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan struct{})
	d.cmd, d.ended = cmd, ended
	go func() { defer close(ended); cmd.Wait() }()
	for end := time.Now().Add(startTime); time.Now().Before(end); {
		select {
		case <-ended:
			d.Stop()
			return false
		case <-time.After(20 * time.Millisecond):
		}
		c, err := net.Dial(d.network, d.address)
		if err != nil {
			continue
		}
		c.SetDeadline(time.Now().Add(5 * time.Second))
		ready := d.ready(c)
		c.Close()
		if ready {
			return true
		}
	}
	d.Stop()
	return false
}

// Stop ends it with all that it has started. It can be started again.
func (d *Daemon) Stop() {
	if d.cmd == nil {
		return
	}
	syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.ended
	d.cmd = nil
	if d.network == "unix" {
		os.Remove(d.address)
	}
}

// Suspend has it neither work nor end until it is stopped.
func (d *Daemon) Suspend() { syscall.Kill(-d.cmd.Process.Pid, syscall.SIGSTOP) }

// Yara returns the program and a file of rules that know the marker.
func Yara(t testing.TB) (program, rules string) {
	t.Helper()
	program = need(t, "yara")
	rules = filepath.Join(t.TempDir(), "marker.yar")
	write(t, rules, fmt.Sprintf("rule %s { strings: $a = %q condition: $a }\n", YaraName, Marker))
	return program, rules
}
