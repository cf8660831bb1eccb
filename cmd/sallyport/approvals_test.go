package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/proxy/alert"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

// offline is the owner of a state as a command is while no server runs, with the policy that was in force last, and that of the file.
func offline(t *testing.T, last, now string) *owner {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.yaml")
	write := func(text string) *policy.Policy {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := loadPolicy(path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	state := stateDir(filepath.Join(dir, "state"))
	c := config{Policy: path, Alerts: []alertConfig{{Name: "soc", Webhook: "http://127.0.0.1:9/x"}}}
	o, err := openOwner(c, state, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.close() })
	if last != "" {
		p := write(last)
		_, source, err := readPolicy(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := state.keepPolicy(p, path, source); err != nil {
			t.Fatal(err)
		}
	}
	write(now)
	return o
}

// To stop the server and to write another policy is no way to do with fewer people.
func TestWithoutAServerTheStricterPolicyCounts(t *testing.T) {
	two, one := "version: 1\napproval: {release: {people: 2}, break_glass: {people: 1, at_most: 1h}}\n", "version: 1\napproval: {break_glass: {at_most: 24h}}\n"
	for _, c := range []struct{ last, now, want string }{
		{two, one, "{{2 0s} {1 1h0m0s} {2 0s}}"}, {one, two, "{{2 0s} {1 1h0m0s} {2 0s}}"}, {"", two, "{{2 0s} {1 1h0m0s} {2 0s}}"}, {one, one, "{{1 0s} {1 24h0m0s} {1 0s}}"},
	} {
		got, err := offline(t, c.last, c.now).approval()
		if fmt.Sprint(got) != c.want || err != nil {
			t.Errorf("%q after %q: %v, %v; want %s", c.now, c.last, got, err, c.want)
		}
	}
	o := offline(t, two, one)
	if err := os.WriteFile(o.dir.keptPolicy(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := o.approval(); err == nil {
		t.Errorf("with a policy that cannot be read: %v", got)
	}
}

// What is done while no server runs is told of by the next one.
func TestAlertsWaitForTheNextServer(t *testing.T) {
	o := offline(t, "", "version: 1\n")
	done := o.queueAlerts()
	if _, err := o.operator(nil).Recall(t.Context(), console.RecallOrder{SHA256: verify.Digest{1}, Reason: "stolen", By: "ann"}); err != nil {
		t.Fatal(err)
	}
	done()
	files, err := os.ReadDir(filepath.Join(o.dir.alerts(), "soc"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d events wait, %v", len(files), err)
	}
	sinks, err := alertSinks(o.config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := alert.New(sinks, o.alertOptions()); err != nil {
		t.Fatal(err)
	}
	if files, _ = os.ReadDir(filepath.Join(o.dir.alerts(), "soc")); len(files) != 1 {
		t.Errorf("the next server finds %d events", len(files))
	}
}
