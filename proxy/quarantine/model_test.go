package quarantine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

// model is what must be true of a vault after any sequence of operations: on which scopes which bytes may be
// released at most. What is missing was evicted, which is always right.
type model struct {
	bench    *bench
	options  Options
	may      map[verify.Digest]map[string]State // by the last receipt
	bodies   map[verify.Digest][]byte
	items    []*Item
	contents []*Content
}

func (m *model) body(t *rapid.T) []byte {
	n := rapid.IntRange(0, 5).Draw(t, "body")
	return bytes.Repeat([]byte{byte(n)}, 300*n+n)
}

func (m *model) hold(t *rapid.T) {
	data := m.body(t)
	length := int64(len(data)) + int64(rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(t, "lie"))
	if rapid.Bool().Draw(t, "unannounced") {
		length = -1
	}
	in := Intake{Client: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "client"), Length: length}
	item, err := m.bench.vault.Hold(context.Background(), bytes.NewReader(data), in)
	switch {
	case err == nil && length >= 0 && length != int64(len(data)):
		t.Fatalf("%d bytes announced as %d are an item", len(data), length)
	case err == nil:
		m.bodies[item.SHA256] = data
		m.items = append(m.items, item)
	case errors.Is(err, ErrFull), errors.Is(err, ErrShare), errors.Is(err, ErrShort), errors.Is(err, ErrLong):
	default:
		t.Fatal(err)
	}
}

func (m *model) settle(t *rapid.T) {
	if len(m.items) == 0 {
		t.Skip("nothing is held")
	}
	item := rapid.SampledFrom(m.items).Draw(t, "item")
	scope := m.scope(t)
	of, on := item.SHA256, scope // what the receipt is about
	if rapid.IntRange(0, 3).Draw(t, "foreign") == 0 {
		of, on = sha256.Sum256(m.body(t)), m.scope(t)
	}
	action := policy.Action(rapid.IntRange(0, 2).Draw(t, "action"))
	observed := rapid.IntRange(0, 3).Draw(t, "observed") == 0
	receipt := m.bench.decision(of, on, action, observed)
	if rapid.IntRange(0, 5).Draw(t, "by hand") == 0 {
		receipt, action, observed = m.bench.byHand(audit.KindRelease, of, on, time.Time{}), policy.Allow, false
	}
	content, err := m.bench.vault.Settle(item, scope, receipt, Origin{Name: "n"})
	ours := of == item.SHA256 && on == scope
	if content != nil && (!ours || !observed && action != policy.Allow || err != nil) {
		t.Fatalf("Content by a receipt for %s on %q: %s, observed %v, %v", of, on, action, observed, err)
	}
	if content == nil && ours && (observed || action == policy.Allow) {
		t.Fatalf("no Content: %v", err)
	}
	if content != nil {
		m.contents = append(m.contents, content)
	}
	if ours && !observed || !ours && !errors.Is(err, ErrForeign) {
		state := map[policy.Action]State{policy.Allow: Released, policy.Quarantine: Quarantined}[action]
		if !ours {
			state = Held
		}
		if m.may[item.SHA256] == nil {
			m.may[item.SHA256] = map[string]State{}
		}
		m.may[item.SHA256][scope] = state
	}
}

func (m *model) scope(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "a", "b", "a+b"}).Draw(t, "scope")
}

func (m *model) reject(t *rapid.T) {
	d, scope := verify.Digest(sha256.Sum256(m.body(t))), m.scope(t)
	if m.bench.vault.Reject(d, scope, m.bench.byHand(audit.KindReject, d, scope, time.Time{})) == nil {
		if m.may[d][scope] != Quarantined {
			t.Fatalf("rejected what is %s", m.may[d][scope])
		}
		m.may[d][scope] = Held
	}
}

func (m *model) open(t *rapid.T) {
	d := verify.Digest(sha256.Sum256(m.body(t)))
	if item, ok := m.bench.vault.Get(d); ok {
		m.items = append(m.items, item)
	}
}

func (m *model) closeOne(t *rapid.T) {
	if len(m.items) > 0 && rapid.Bool().Draw(t, "item, not content") {
		i := rapid.IntRange(0, len(m.items)-1).Draw(t, "which")
		m.items[i].Close()
		m.items = append(m.items[:i:i], m.items[i+1:]...)
	} else if len(m.contents) > 0 {
		m.contents[0].Close()
		m.contents = m.contents[1:]
	}
}

func (m *model) restart(t *rapid.T) {
	m.letGo()
	m.bench.reopen(m.options)
}

func (m *model) letGo() {
	for _, i := range m.items {
		i.Close()
	}
	for _, c := range m.contents {
		c.Close()
	}
	m.items, m.contents = nil, nil
}

// check is run after each operation.
func (m *model) check(t *rapid.T) {
	v := m.bench.vault
	checkLedger(t, v)
	for n := range 6 {
		d := verify.Digest(sha256.Sum256(bytes.Repeat([]byte{byte(n)}, 300*n+n)))
		for _, scope := range []string{"", "a", "b", "a+b", "c"} {
			c, ok := v.Released(d, scope)
			if ok && m.may[d][scope] != Released {
				t.Fatalf("%s is released on %q, where it is %s", d, scope, m.may[d][scope])
			}
			if ok {
				m.sameBytes(t, c)
				c.Close()
			}
		}
	}
	for _, e := range v.List(Filter{}) {
		if e.State != m.may[e.SHA256][e.Scope] || e.Record == "" {
			t.Fatalf("%+v, where it is %s", e, m.may[e.SHA256][e.Scope])
		}
	}
	for _, c := range m.contents {
		m.sameBytes(t, c)
	}
	for _, i := range m.items {
		got, err := io.ReadAll(io.NewSectionReader(i.Content(), 0, i.Size))
		if err != nil || !bytes.Equal(got, m.bodies[i.SHA256]) {
			t.Fatalf("item %s gave %d bytes, %v", i.SHA256, len(got), err)
		}
	}
}

func (m *model) sameBytes(t *rapid.T, c *Content) {
	r, err := c.Reader()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, m.bodies[c.SHA256()]) {
		t.Fatalf("content %s gave %d bytes, %v", c.SHA256(), len(got), err)
	}
}

// Never Content for bytes and scope without a receipt that allows exactly these, whatever was done before; never
// other bytes; never more than the quotas.
func TestNothingWithoutAReceipt(t *testing.T) {
	// Each round syncs files many times; -rapid.checks asks for more of them.
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue {
		f.Value.Set("25")
		defer f.Value.Set(f.DefValue)
	}
	b := newBench(t, Options{})
	rounds := 0
	rapid.Check(t, func(rt *rapid.T) {
		rounds++
		b.vault.Close()
		b.dir = filepath.Join(t.TempDir(), fmt.Sprint(rounds))
		m := &model{
			bench: b, options: Options{Quota: 4000, QuarantineQuota: 1800, ClientShare: 2500},
			may: map[verify.Digest]map[string]State{}, bodies: map[verify.Digest][]byte{},
		}
		b.open(m.options)
		defer m.letGo()
		rt.Repeat(map[string]func(*rapid.T){
			"hold": m.hold, "settle": m.settle, "settle more": m.settle, "reject": m.reject, "open": m.open,
			"close": m.closeOne, "restart": m.restart, "": m.check,
		})
	})
}
