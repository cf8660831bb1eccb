package console

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/mitm"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

// rig is an operator over a real log and vault, asked over a real socket.
type rig struct {
	operator *Operator
	client   *Client
	log      *audit.Log
	fail     error // what Append returns instead
	dir      string
	approval policy.Approval
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	r := &rig{dir: dir}
	var err error
	if r.log, err = audit.Open(filepath.Join(dir, "log"), audit.Options{Origin: "test"}); err != nil {
		t.Fatal(err)
	}
	vault, err := quarantine.Open(filepath.Join(dir, "vault"), quarantine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r.operator = &Operator{
		Vault: vault, Releases: new(proxy.Releases),
		Append: func(rec audit.Record) (audit.Receipt, error) {
			if r.fail != nil {
				return audit.Receipt{}, r.fail
			}
			return r.log.Append(rec)
		},
		Record: func(id string) (audit.Record, error) {
			return audit.Show(context.Background(), filepath.Join(dir, "log"), id)
		},
		Rotate:   func() (mitm.Info, error) { return mitm.Info{Subject: "CN=new"}, nil },
		Snapshot: func(context.Context, func(File) error) error { return nil },
		Approval: func() (policy.Approval, error) { return r.approval, nil },
	}
	r.approval = policy.Approval{Release: policy.Consent{People: 1}, BreakGlass: policy.Consent{People: 1, AtMost: 24 * time.Hour}}
	// Socket names are short, temporary directories are not.
	short, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(short, "c"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: Control(r.operator)}
	go server.Serve(l)
	r.client = NewClient(filepath.Join(short, "c"))
	t.Cleanup(func() {
		server.Close()
		vault.Close()
		r.log.Close()
		os.RemoveAll(short)
	})
	return r
}

// hold puts text into quarantine on scopes and returns its digest and the record of the last decision.
func (r *rig) hold(t *testing.T, text string, scopes ...string) (verify.Digest, string) {
	t.Helper()
	item, err := r.operator.Vault.Hold(t.Context(), strings.NewReader(text), quarantine.Intake{Client: "c", Length: int64(len(text))})
	if err != nil {
		t.Fatal(err)
	}
	defer item.Close()
	record := ""
	for _, scope := range scopes {
		receipt, err := r.log.Append(audit.Record{
			Kind: audit.KindDecision, Channel: scope, Artifact: &audit.Artifact{Name: "tool.exe", SHA256: item.SHA256, Size: item.Size},
			Decision: &audit.Decision{Action: policy.Quarantine, Rule: "test"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.operator.Vault.Settle(item, scope, receipt, quarantine.Origin{Name: "tool.exe"}); err != nil {
			t.Fatal(err)
		}
		record = receipt.ID()
	}
	return item.SHA256, record
}

func order(id string) Order { return Order{ID: id, Reason: "because", By: "alice"} }

func TestReleaseIsRecordedForcedAndSettled(t *testing.T) {
	r := newRig(t)
	digest, record := r.hold(t, "hello", "tools")
	done, err := r.client.Release(t.Context(), order(digest.String()[:16]))
	if err != nil {
		t.Fatal(err)
	}
	if !done.Held || done.Scope != "tools" || done.SHA256 != digest || done.Name != "tool.exe" {
		t.Errorf("done: %+v", done)
	}
	rec, err := r.operator.Record(done.Record)
	if err != nil || rec.Kind != audit.KindRelease || rec.Release.By != "alice" || rec.Release.Reason != "because" || rec.Decides != record {
		t.Errorf("record: %+v, %v", rec, err)
	}
	if got := r.operator.Releases.For(digest, "tools", time.Now()); len(got) != 1 || got[0].Record != done.Record {
		t.Errorf("standing: %v", got)
	}
	if got := r.operator.Releases.For(digest, "other", time.Now()); len(got) != 0 {
		t.Errorf("standing on another channel: %v", got)
	}
	content, ok := r.operator.Vault.Released(digest, "tools")
	if !ok {
		t.Fatal("the bytes are not released")
	}
	content.Close()
	var again proxy.Releases
	Recall(&again, rec)
	if got := again.For(digest, "tools", time.Now()); len(got) != 1 {
		t.Errorf("after a restart: %v", got)
	}
	rejected, err := r.client.Reject(t.Context(), order(digest.String()[:16]))
	if err != nil {
		t.Fatal(err)
	}
	if got := r.operator.Releases.For(digest, "tools", time.Now()); len(got) != 0 {
		t.Errorf("still standing after a reject: %v", got)
	}
	if _, ok := r.operator.Vault.Released(digest, "tools"); ok {
		t.Error("still released after a reject")
	}
	if rec, err = r.operator.Record(rejected.Record); err != nil {
		t.Fatal(err)
	}
	Recall(&again, rec)
	if got := again.For(digest, "tools", time.Now()); len(got) != 0 {
		t.Errorf("after a restart, still standing: %v", got)
	}
}

func TestNothingIsReleasedThatCannotBeRecorded(t *testing.T) {
	r := newRig(t)
	digest, _ := r.hold(t, "hello", "tools")
	r.fail = errors.New("disk full")
	for what, do := range map[string]func(context.Context, Order) (Done, error){"release": r.client.Release, "reject": r.client.Reject} {
		if _, err := do(t.Context(), order(digest.String())); err == nil || !strings.Contains(err.Error(), "disk full") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, ok := r.operator.Vault.Released(digest, "tools"); ok || len(r.operator.Releases.For(digest, "tools", time.Now())) > 0 {
		t.Error("released without a record")
	}
	if entries, _ := r.client.List(t.Context(), false); len(entries) != 1 {
		t.Errorf("thrown away without a record: %v", entries)
	}
}

func TestOrdersThatMakeNoSenseDoNothing(t *testing.T) {
	r := newRig(t)
	digest, record := r.hold(t, "hello", "tools", "other")
	records, _ := r.log.Size()
	id := digest.String()[:16]
	scope, misspelt := "tools", "tolls"
	for name, c := range map[string]struct {
		order Order
		want  error
	}{
		"no reason":         {Order{ID: id, By: "a"}, ErrOrder},
		"blank reason":      {Order{ID: id, Reason: " \n", By: "a"}, ErrOrder},
		"endless reason":    {Order{ID: id, Reason: strings.Repeat("x", maxReason+1)}, ErrOrder},
		"ended already":     {Order{ID: id, Reason: "x", Scope: &scope, Until: time.Now().Add(-time.Second)}, ErrOrder},
		"several channels":  {order(id), ErrOrder},
		"misspelt channel":  {Order{ID: id, Reason: "x", Scope: &misspelt}, ErrOrder},
		"unknown id":        {order("ffffffffffff"), ErrNotFound},
		"unknown record":    {order("01AAAAAAAAAAAAAAAAAAAAAAAA"), ErrNotFound},
		"a name for a path": {order("../../etc/passwd"), ErrNotFound},
		"an empty id":       {order(""), ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := r.client.Release(t.Context(), c.order); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	if n, _ := r.log.Size(); n != records {
		t.Errorf("%d records were made", n-records)
	}
	// A record names its channel, and so does the order itself.
	if done, err := r.client.Release(t.Context(), order(record)); err != nil || done.Scope != "other" {
		t.Errorf("by record: %+v, %v", done, err)
	}
	o := order(id)
	o.Scope = &scope
	if done, err := r.client.Release(t.Context(), o); err != nil || done.Scope != "tools" {
		t.Errorf("by channel: %+v, %v", done, err)
	}
}

func TestReleaseOfWhatIsNoLongerHeldHoldsForTheNextDownload(t *testing.T) {
	r := newRig(t)
	digest, record := r.hold(t, "hello", "tools")
	if _, err := r.client.Reject(t.Context(), order(record)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.client.Show(t.Context(), record); !errors.Is(err, ErrNotFound) {
		t.Errorf("shown: %v", err)
	}
	done, err := r.client.Release(t.Context(), order(record))
	if err != nil || done.Held {
		t.Errorf("%+v, %v", done, err)
	}
	if got := r.operator.Releases.For(digest, "tools", time.Now()); len(got) != 1 {
		t.Errorf("standing: %v", got)
	}
}

func TestExportIsWholeOrAnError(t *testing.T) {
	r := newRig(t)
	text := strings.Repeat("hello ", 100_000)
	digest, _ := r.hold(t, text, "")
	var b bytes.Buffer
	if err := r.client.Export(t.Context(), digest.String(), &b); err != nil || b.String() != text {
		t.Errorf("%d bytes, %v", b.Len(), err)
	}
	if err := r.client.Export(t.Context(), "ffffffff", io.Discard); !errors.Is(err, ErrNotFound) {
		t.Errorf("unknown item: %v", err)
	}
	r.operator.Snapshot = func(_ context.Context, add func(File) error) error {
		if err := add(File{Name: "ca/x", Size: 1 << 20, Mode: 0o600, Content: bytes.NewReader(make([]byte, 1<<20))}); err != nil {
			return err
		}
		return fs.ErrPermission
	}
	if err := r.client.Backup(t.Context(), io.Discard); err == nil {
		t.Error("a backup that broke off looks whole")
	}
}

func TestControlRefusesWhatItDoesNotKnow(t *testing.T) {
	r := newRig(t)
	if err := r.client.ask(t.Context(), http.MethodPost, "/v1/release", map[string]string{"id": "x", "reson": "y"}, new(Done)); !errors.Is(err, ErrOrder) {
		t.Errorf("an unknown field: %v", err)
	}
	if err := r.client.ask(t.Context(), http.MethodGet, "/v2/items", nil, new(Done)); err == nil {
		t.Error("an unknown version was answered")
	}
	info, err := r.client.RotateCA(t.Context(), "alice\x1b[2J")
	if err != nil || info.Subject != "CN=new" {
		t.Errorf("%v, %v", info, err)
	}
}
