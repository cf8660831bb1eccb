package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// meeting is a Verifier whose Verify ends when two are in it.
type meeting struct {
	mu      sync.Mutex
	waiting chan struct{}
	met     int
}

func (*meeting) Method() string         { return "meeting" }
func (*meeting) Match(a *Artifact) bool { return a.Format == "pe" }

func (m *meeting) Verify(ctx context.Context, _ *Artifact, _ Env) ([]Finding, error) {
	m.mu.Lock()
	if other := m.waiting; other != nil {
		m.waiting, m.met = nil, m.met+1
		m.mu.Unlock()
		close(other)
		return []Finding{{Method: "meeting", Status: Valid, Code: "meeting/met"}}, nil
	}
	me := make(chan struct{})
	m.waiting = me
	m.mu.Unlock()
	select {
	case <-me:
		return []Finding{{Method: "meeting", Status: Valid, Code: "meeting/met"}}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// TestInnerFilesAreExaminedSideBySide: those who read a container, or wait for what is in it, keep nobody from working.
func TestInnerFilesAreExaminedSideBySide(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	var programs []member
	for i := range 200 {
		programs = append(programs, member{name: fmt.Sprint(i, ".exe"), content: "MZ" + strings.Repeat("x", 50*i)})
	}
	data := tarOf(t, programs...)
	for range 3 {
		data = tarOf(t, member{name: "inner.tar", content: string(data)})
	}
	m := &meeting{}
	e := &Examiner{Verifiers: []Verifier{m}, Openers: []Opener{tarOpener{}}}
	r := e.Examine(t.Context(), &Artifact{Name: "a.tar", Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}, Env{Inside: true})
	if m.met != 100 || r.Contents.Executables != 200 {
		t.Errorf("%d met, %d executables", m.met, r.Contents.Executables)
	}
}

// TestLargeContainersAreOpenedWhileTheyAreExamined: what is said of the container itself comes first all the same.
func TestLargeContainersAreOpenedWhileTheyAreExamined(t *testing.T) {
	inner := tarOf(t, member{name: "a.exe", content: "MZ" + strings.Repeat("x", besideSize)}, member{name: "b.exe", content: "MZ!"})
	for range 20 {
		r := lookInto(t, &Examiner{}, tarOf(t, member{name: "inner.tar", content: string(inner)}, member{name: "c.exe", content: "MZ!"}))
		want := ` absent verify/no-method
inner.tar/a.exe valid initials/valid
inner.tar/b.exe absent initials/unsigned
c.exe absent initials/unsigned
`
		if got := said(r); got != want {
			t.Fatalf("%s\nwant\n%s", got, want)
		}
		if c := r.Contents; c.Containers != 2 || c.Depth != 2 || c.Unread != 0 || len(c.Inner) != 4 || c.Inner[0].Path != "inner.tar" {
			t.Fatalf("%+v", c)
		}
	}
}

// panicking is Content that panics where it is read after its head.
type panicking struct{ bytes.Reader }

// ReadAt implements io.ReaderAt.
func (p *panicking) ReadAt(b []byte, off int64) (int, error) {
	if off > 0 {
		panic("hostile")
	}
	return p.Reader.ReadAt(b, off)
}

type panickingOpener struct{ tarOpener }

func (panickingOpener) Open(_ context.Context, _ *Artifact, inside Inside) ([]Finding, error) {
	content := &panicking{*bytes.NewReader(make([]byte, 100_000))}
	return nil, errors.Join(inside.Offer(Entry{Name: "a.exe", Size: 100_000, Content: content}), inside.Offer(Entry{Name: "b", Size: 1, Reader: strings.NewReader("b")}))
}

func TestContentThatPanicsIsInconclusive(t *testing.T) {
	var stack string
	e := &Examiner{Openers: []Opener{panickingOpener{}}, Panicked: func(_ string, _ any, s []byte) { stack = string(s) }}
	r := e.Examine(t.Context(), &Artifact{Name: "a.tar", Format: "tar", Size: 1, Content: strings.NewReader("x")}, Env{Inside: true})
	if got := said(r); !strings.Contains(got, "a.exe inconclusive unpack/crashed") || r.Contents.Unread != 1 {
		t.Errorf("%s%+v", got, r.Contents)
	}
	if !strings.Contains(stack, "ReadAt") {
		t.Errorf("the stack: %s", stack)
	}
}

// signedLists is a Voucher by whoever the list names, for one and the same digest.
type signedLists struct{ initials }

func (signedLists) Verify(_ context.Context, a *Artifact, _ Env) ([]Finding, error) {
	return []Finding{{Method: "initials", Status: Valid, Code: "initials/valid", Signer: Identity{Name: a.Name}}}, nil
}

func (signedLists) Vouches(ctx context.Context, a *Artifact, env Env) ([]Vouch, error) {
	list, err := initials{}.Vouches(ctx, a, env)
	for i := range list {
		list[i].Finding.Signer.Name = a.Name
	}
	return list, err
}

// TestAllCataloguesThatListAFileAreNamed, each signer once and in the container's order, whoever was examined first.
func TestAllCataloguesThatListAFileAreNamed(t *testing.T) {
	data := tarOf(t, member{name: "b.list", content: "..."}, member{name: "listed", content: "MZ!listed"}, member{name: "a.list", content: "..."}, member{name: "x/a.list", content: "..."})
	for range 50 {
		e := &Examiner{Verifiers: []Verifier{signedLists{}}, Openers: []Opener{tarOpener{}}}
		r := e.Examine(t.Context(), &Artifact{Name: "outer.tar", Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}, Env{Inside: true})
		var names []string
		for _, f := range r.Findings {
			if f.Code == "initials/listed" {
				names = append(names, f.Signer.Name)
			}
		}
		if got := strings.Join(names, " "); got != "b.list a.list x/a.list" {
			t.Fatalf("listed by %q", got)
		}
	}
}
