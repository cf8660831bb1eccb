package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cutOff is set in the environment of a test process that runs in a network namespace of its own, where there is nothing but
// its loopback interface.
const cutOff = "SALLYPORT_CUT_OFF"

func init() {
	if os.Getenv(cutOff) != "" {
		if err := loopbackUp(); err != nil {
			panic("bringing the loopback interface up: " + err.Error())
		}
	}
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// What is decided with a network is decided without one: the same tests, with their proxy and origins, in a network namespace
// from which nothing can be reached.
func TestCutOffFromEveryNetwork(t *testing.T) {
	if os.Getenv(cutOff) != "" {
		if c, err := net.DialTimeout("tcp", "192.0.2.1:443", 5*time.Second); err == nil {
			c.Close()
			t.Fatal("there is a way out")
		} else if !strings.Contains(err.Error(), "unreachable") {
			t.Fatalf("the network is there, only nobody answers: %v", err)
		}
		return
	}
	need(t, "unshare")
	if out, err := exec.Command("unshare", "--user", "--map-root-user", "--net", "true").CombinedOutput(); err != nil {
		t.Skipf("this machine gives no namespace of its own to the test (%v: %s): what only it can show is left out", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	tests := []string{"TestCutOffFromEveryNetwork", "TestReleaseAssetThroughTheProxy", "TestReleaseAssetOfSomebodyElse", "TestTUFOffline"}
	if os.Getenv("SALLYPORT_SAMPLES") != "" {
		tests = append(tests, "TestNPMProvenanceThroughTheProxy")
	}
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--net", self, "-test.v", "-test.run", "^("+strings.Join(tests, "|")+")$", "-test.timeout", "8m")
	cmd.Env = append(os.Environ(), cutOff+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(string(out), 8000))
	}
	for _, name := range tests {
		if !strings.Contains(string(out), "--- PASS: "+name+" ") && !strings.Contains(string(out), "--- SKIP: "+name+" ") {
			t.Errorf("%s did not run:\n%s", name, tail(string(out), 4000))
		}
	}
}
