package quarantine

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestListSaysWhatIsSettled(t *testing.T) {
	now := time.Unix(1795000000, 0).UTC()
	o := Options{Now: func() time.Time { now = now.Add(time.Second); return now }}
	b := newBench(t, o)
	evidence := b.hold([]byte("evidence"))
	receipt := b.decision(evidence.SHA256, "debian", policy.Quarantine, false)
	origin := Origin{Name: "a\x1b[2J.deb", URL: "https://deb.example/a.deb?sig=…", Format: "deb", Record: "overwritten"}
	if _, err := b.vault.Settle(evidence, "debian", receipt, origin); err != nil {
		t.Fatal(err)
	}
	evidence.Close()
	released := b.release([]byte("released"), "")
	held := b.hold([]byte("held"))
	defer held.Close()
	for range 2 {
		got := b.vault.List(Filter{State: Quarantined})
		if len(got) != 1 {
			t.Fatalf("%+v", got)
		}
		e := got[0]
		origin.Record = receipt.ID()
		if e.SHA256 != evidence.SHA256 || e.ID != evidence.SHA256.String()[:16] || e.Size != 8 || e.Scope != "debian" ||
			e.Record != receipt.ID() || e.Origin != origin || e.Time.IsZero() {
			t.Errorf("%+v", e)
		}
		for name, c := range map[string]struct {
			filter Filter
			want   []verify.Digest
		}{
			"all, latest first": {Filter{}, []verify.Digest{released, e.SHA256}},
			"released":          {Filter{State: Released}, []verify.Digest{released}},
			"scope":             {Filter{Scopes: []string{"debian", "x"}}, []verify.Digest{e.SHA256}},
			"no channel":        {Filter{Scopes: []string{""}}, []verify.Digest{released}},
			"one":               {Filter{SHA256: e.SHA256}, []verify.Digest{e.SHA256}},
			"limit":             {Filter{Limit: 1}, []verify.Digest{released}},
			"none":              {Filter{Scopes: []string{}}, nil},
		} {
			var digests []verify.Digest
			for _, e := range b.vault.List(c.filter) {
				digests = append(digests, e.SHA256)
			}
			if len(digests) != len(c.want) || len(digests) > 0 && digests[0] != c.want[0] {
				t.Errorf("%s: %v", name, digests)
			}
		}
		held.Close()
		b.reopen(o)
	}
}

func TestFind(t *testing.T) {
	b := newBench(t, Options{})
	d := b.quarantine([]byte("evidence"), "a")
	held := b.hold([]byte("held"))
	defer held.Close()
	twin := d
	twin[31] ^= 1
	b.vault.lock()
	b.vault.blobs[twin] = &blob{digest: twin, marks: marks{{state: Quarantined}}}
	b.vault.unlock()
	for id, want := range map[string]error{
		d.String(): nil, strings.ToUpper(d.String()): nil, "sha256:" + d.String(): nil,
		d.String()[:16]: ErrAmbiguous, held.SHA256.String(): fs.ErrNotExist, "00000000": fs.ErrNotExist,
	} {
		got, err := b.vault.Find(id)
		if !errors.Is(err, want) || err == nil && got != d {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	for _, id := range []string{"", "abc", "../../etc", "zzzz", d.String() + "00", "sha256:"} {
		if got, err := b.vault.Find(id); err == nil {
			t.Errorf("%q found %s", id, got)
		}
	}
	b.vault.lock()
	delete(b.vault.blobs, twin)
	b.vault.unlock()
	if got, err := b.vault.Find(d.String()[:minID]); err != nil || got != d {
		t.Errorf("%v, %v", got, err)
	}
}

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestExport(t *testing.T) {
	b := newBench(t, Options{})
	data := random(600_000)
	d := b.quarantine(data, "a")
	var out bytes.Buffer
	if err := b.vault.Export(d, &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
	if err := b.vault.Export(d, fullWriter{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("to a closed pipe: %v", err)
	}
	if err := b.vault.Export(verify.Digest{1}, &out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unknown: %v", err)
	}
	checkLedger(t, b.vault)
}

// A vault made of a snapshot has the evidence, and nothing half.
func TestSnapshotOpens(t *testing.T) {
	b := newBench(t, Options{})
	data := random(5000)
	d := b.quarantine(data, "a")
	c, err := b.settle(b.hold(data), "b", policy.Allow)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	released := b.release(random(100), "a")
	dir := filepath.Join(t.TempDir(), "copy")
	err = b.vault.Snapshot(func(name string, size int64, content io.Reader) error {
		data, err := io.ReadAll(content)
		if err != nil || int64(len(data)) != size {
			t.Errorf("%s: %d bytes of %d, %v", name, len(data), size, err)
		}
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		return os.WriteFile(path, data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	copied := &bench{TB: t, dir: dir}
	copied.open(Options{})
	defer copied.vault.Close()
	var out bytes.Buffer
	if err := copied.vault.Export(d, &out); err != nil || !bytes.Equal(out.Bytes(), data) {
		t.Errorf("evidence: %v", err)
	}
	if got := copied.vault.List(Filter{State: Quarantined}); len(got) != 1 || got[0].Origin.Name != "update.bin" {
		t.Errorf("%+v", got)
	}
	if _, ok := copied.vault.Released(released, "a"); ok || len(copied.lost) > 0 {
		t.Errorf("released: %v, lost: %v", ok, copied.lost)
	}
	full := errors.New("disk full")
	if err := b.vault.Snapshot(func(string, int64, io.Reader) error { return full }); !errors.Is(err, full) {
		t.Errorf("an error of add: %v", err)
	}
	checkLedger(t, b.vault)
}
