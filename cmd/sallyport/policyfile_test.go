package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
)

func TestBrokenPolicyIsToldOnceUnlessSomebodyAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("version: 1\n")
	p, source, err := readPolicy(path)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zap.ErrorLevel)
	records := 0
	f := &policyFile{path: path, metrics: proxy.NewMetrics(), log: zap.New(core),
		append: func(audit.Record) (audit.Receipt, error) { records++; return audit.Receipt{}, nil }}
	if err := f.start(p, source, ""); err != nil {
		t.Fatal(err)
	}
	write("version: 1\nbroken: yes\n")
	for range 3 {
		f.reload(t.Context())
	}
	if n := logs.Len(); n != 1 || records != 2 {
		t.Errorf("%d lines in the log and %d records after the same problem three times, want 1 and 2", n, records)
	}
	f.asked(t.Context())
	if n := logs.Len(); n != 2 || records != 2 {
		t.Errorf("%d lines in the log and %d records after somebody asked, want 2 and 2", n, records)
	}
	if f.current.Load() != p {
		t.Error("the policy before is not in force any more")
	}
}

func TestALogBesideThePolicyIsNoChangeOfIt(t *testing.T) {
	f := &policyFile{files: []string{"etc/policy.yaml", "etc/keys/a.gpg"}}
	for _, c := range []struct {
		name string
		op   fsnotify.Op
		want bool
	}{
		{"etc/policy.yaml", fsnotify.Write, true},
		{"etc/keys/a.gpg", fsnotify.Write, true},
		{"etc/policy.yaml", fsnotify.Chmod, false},
		{"etc/sallyport.log", fsnotify.Write, false},
		{"etc/sallyport.log", fsnotify.Write | fsnotify.Chmod, false},
		{"etc/..data", fsnotify.Create, true}, // how Kubernetes puts a new ConfigMap in place
		{"etc/policy.yaml", fsnotify.Rename, true},
	} {
		if got := f.concerns(fsnotify.Event{Name: c.name, Op: c.op}); got != c.want {
			t.Errorf("%s %s: %t", c.op, c.name, got)
		}
	}
}
