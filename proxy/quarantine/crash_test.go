package quarantine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// crashDir names the environment variable that makes the test binary the process that is killed.
const crashDir = "SALLYPORT_TEST_CRASH_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		fmt.Fprintln(os.Stderr, crashLoop(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// crashOptions are small, so that eviction and displacement go on all the time.
var crashOptions = Options{Quota: 2 << 20, QuarantineQuota: 300 << 10, Objects: 20, MinFree: -1}

// crashLoop holds, settles, remembers and rejects until it is killed, and says on stdout what it was given Content
// for before it uses it.
func crashLoop(dir string) error {
	log, err := audit.Open(filepath.Join(dir, "log"), audit.Options{Origin: "crash.test"})
	if err != nil {
		return err
	}
	v, err := Open(filepath.Join(dir, "vault"), crashOptions)
	if err != nil {
		return err
	}
	fmt.Println("open")
	for i := 0; ; i++ {
		data := bytes.Repeat([]byte{byte(rand.IntN(60))}, 1+rand.IntN(3)*100_000)
		item, err := v.Hold(context.Background(), bytes.NewReader(data), Intake{Client: "c", Length: int64(len(data))})
		if err != nil {
			return err
		}
		scope, action := fmt.Sprint(rand.IntN(3)), policy.Action(rand.IntN(3))
		receipt, err := log.Append(audit.Record{
			V: 1, Kind: audit.KindDecision, Channel: scope,
			Artifact: &audit.Artifact{SHA256: item.SHA256}, Decision: &audit.Decision{Action: action, Rule: "crash"},
		})
		if err != nil {
			return err
		}
		content, err := v.Settle(item, scope, receipt, Origin{Name: "n", URL: "u"})
		if err != nil && !errors.Is(err, ErrNotKept) {
			return err
		}
		if content != nil {
			fmt.Println("released", item.SHA256, scope)
			content.Close()
		}
		if err := v.Remember(Object{Key: fmt.Sprint(rand.IntN(40)), SHA256: item.SHA256, Status: 200}); err != nil && action != policy.Block && content != nil {
			return err
		}
		item.Close()
	}
}

// A process that is killed at any instant leaves nothing half-released and nothing for ever.
func TestKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	b := &bench{TB: t, dir: filepath.Join(dir, "vault")}
	rounds := 50
	if testing.Short() {
		rounds = 5 // -short leaves out most of the instants
	}
	var released, survived int
	for range rounds {
		last := crash(t, dir)
		b.lost = nil
		b.open(crashOptions)
		for _, e := range b.vault.List(Filter{State: Released}) {
			if _, ok := b.served(e.SHA256, e.Scope); !ok {
				t.Errorf("%s is released on %s and not served", e.SHA256, e.Scope)
			}
			if last == fmt.Sprintln("released", e.SHA256, e.Scope) {
				survived++
			}
			released++
		}
		// Only a process dies here, not the machine: nothing may have been lost.
		if len(b.lost) > 0 {
			t.Errorf("lost: %+v", b.lost)
		}
		checkLedger(t, b.vault)
		if err := b.vault.Close(); err != nil {
			t.Fatal(err)
		}
		checkDirectory(t, b.dir)
	}
	if released == 0 || survived == 0 {
		t.Errorf("%d items were released, %d of the last ones survived: the process does nothing before it is killed", released, survived)
	}
}

// crash runs crashLoop and kills it, and returns the last line it wrote.
func crash(t *testing.T, dir string) (last string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if line, err := lines.ReadString('\n'); err != nil || line != "open\n" {
		cmd.Process.Kill()
		cmd.Wait()
		t.Fatalf("the process wrote %q, %v; %s", line, err, &stderr)
	}
	time.AfterFunc(time.Duration(rand.Int64N(int64(200*time.Millisecond))), func() { cmd.Process.Kill() })
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		last = line
	}
	cmd.Wait()
	if stderr.Len() > 0 {
		t.Fatalf("the process ended by itself: %s", &stderr)
	}
	return last
}
