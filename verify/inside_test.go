package verify

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// tarOpener is an Opener that is small and works.
type tarOpener struct{}

func (tarOpener) Method() string         { return "tar" }
func (tarOpener) Match(a *Artifact) bool { return a.Format == "tar" }

func (tarOpener) Open(_ context.Context, a *Artifact, inside Inside) ([]Finding, error) {
	r := tar.NewReader(io.NewSectionReader(a.Content, 0, a.Size))
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the next header: %w: %w", err, ErrBroken)
		}
		e := Entry{Name: h.Name, Size: h.Size, Reader: r, Link: h.Linkname, Directory: h.Typeflag == tar.TypeDir}
		switch h.PAXRecords["TEST.how"] {
		case "encrypted":
			e.Unread = "It is encrypted."
		case "lies":
			e.Size++
		case "broken":
			e.Reader = io.MultiReader(strings.NewReader("half"), brokenReader{})
		case "in place":
			e.Content = bytes.NewReader([]byte("MZ in place"))
			e.Size = 11
		case "panics":
			panic("hostile")
		}
		if err := inside.Offer(e); err != nil {
			return nil, err
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) {
	return 0, fmt.Errorf("checksum is wrong: %w", ErrBroken)
}

// initials vouches for what begins with MZ and for lists of digests.
type initials struct{}

func (initials) Method() string { return "initials" }
func (initials) Match(a *Artifact) bool {
	return a.Format == "pe" || strings.HasSuffix(a.Name, ".list")
}
func (initials) Verify(_ context.Context, a *Artifact, env Env) ([]Finding, error) {
	head := make([]byte, min(a.Size, 3))
	a.Content.ReadAt(head, 0)
	if _, err := env.Sidecars.Fetch(context.Background(), "x.sig", 1); a.Inner && !errors.Is(err, ErrNotExist) {
		return nil, fmt.Errorf("something is beside an inner file: %w", err)
	}
	if string(head) == "MZ!" {
		return []Finding{{Method: "initials", Status: Absent, Code: "initials/unsigned"}}, nil
	}
	return []Finding{{Method: "initials", Status: Valid, Code: "initials/valid", Signer: Identity{Name: "M. Z."}}}, nil
}
func (initials) Vouches(_ context.Context, a *Artifact, _ Env) ([]Vouch, error) {
	if !strings.HasSuffix(a.Name, ".list") {
		return nil, nil
	}
	sum := sha256.Sum256([]byte("MZ!listed"))
	return []Vouch{{Digest: "sha256", Sum: sum[:], Finding: Finding{Method: "initials", Status: Valid, Code: "initials/listed", Signer: Identity{Name: "M. Z."}}}}, nil
}

type member struct{ name, how, content, link string }

func tarOf(t testing.TB, members ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Size: int64(len(m.content)), Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if m.how != "" {
			h.PAXRecords = map[string]string{"TEST.how": m.how}
		}
		if m.link != "" {
			h.Typeflag, h.Linkname = tar.TypeSymlink, m.link
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func lookInto(t testing.TB, e *Examiner, data []byte) Report {
	t.Helper()
	e.Verifiers, e.Openers = []Verifier{initials{}}, []Opener{tarOpener{}}
	a := &Artifact{Name: "outer.tar", Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}
	return e.Examine(t.Context(), a, Env{Inside: true})
}

// said returns the findings as lines of subject, status and code.
func said(r Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s %s\n", f.Subject, f.Status, f.Code)
	}
	return b.String()
}

func TestEverythingInsideIsExamined(t *testing.T) {
	inner := tarOf(t, member{name: "deep.exe", content: "MZ deep"}, member{name: "note.txt", content: "text"}, member{name: "placed.exe", how: "in place"})
	data := tarOf(t,
		member{name: "a.exe", content: "MZ a"},
		member{name: "inner.tar", content: string(inner)},
		member{name: "b.dll", content: "MZ!b"},
		member{name: "listed.dll", content: "MZ!listed"},
		member{name: "all.list", content: "..."},
		member{name: "script.sh", content: "#!/bin/sh\n"},
		member{name: "large.bin.dat", content: strings.Repeat("data", 1<<19)},
		member{name: "huge.exe", content: "MZ" + strings.Repeat("code", 5<<19)},
	)
	for name, limits := range map[string]Limits{"in memory": {}, "in files": {Memory: 1}} {
		t.Run(name, func(t *testing.T) {
			r := lookInto(t, &Examiner{Limits: limits}, data)
			want := ` absent verify/no-method
a.exe valid initials/valid
inner.tar/deep.exe valid initials/valid
inner.tar/placed.exe valid initials/valid
b.dll absent initials/unsigned
listed.dll absent initials/unsigned
listed.dll valid initials/listed
all.list valid initials/valid
script.sh absent verify/no-method
huge.exe valid initials/valid
`
			if got := said(r); got != want {
				t.Errorf("findings:\n%s\nwant:\n%s", got, want)
			}
			c := r.Contents
			if c.Files != 11 || c.Executables != 7 || c.Containers != 2 || c.Depth != 2 || c.Unread != 0 || len(c.Inner) != 11 {
				t.Errorf("contents: %+v", *c)
			}
			if in := c.Inner[len(c.Inner)-1]; in.Path != "huge.exe" || in.Size != 2+4*5<<19 || in.SHA256 != sha256.Sum256([]byte("MZ"+strings.Repeat("code", 5<<19))) {
				t.Errorf("the last file: %+v", in)
			}
			if in := c.Inner[len(c.Inner)-2]; in.Path != "large.bin.dat" || in.SHA256 != sha256.Sum256([]byte(strings.Repeat("data", 1<<19))) {
				t.Errorf("the large data file: %+v", in)
			}
		})
	}
}

func TestWhatIsWrongInsideIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		members []member
		limits  Limits
		want    string
	}{
		"traversal":         {[]member{{name: "../x", content: "a"}}, Limits{}, "../x invalid unpack/traversal"},
		"by backslash":      {[]member{{name: `a\..\..\x`, content: "a"}}, Limits{}, `a\..\..\x invalid unpack/traversal`},
		"drive":             {[]member{{name: `C:x`, content: "a"}}, Limits{}, `C:x invalid unpack/traversal`},
		"absolute":          {[]member{{name: "/x", content: "a"}}, Limits{}, "/x untrusted unpack/absolute-name"},
		"duplicate":         {[]member{{name: "A/x", content: "a"}, {name: "a/./X", content: "b"}}, Limits{}, "a/./X untrusted unpack/duplicate"},
		"link out":          {[]member{{name: "a/b", link: "../../etc"}}, Limits{}, "a/b untrusted unpack/link"},
		"overlong name":     {[]member{{name: strings.Repeat("a/", maxName/2) + "b", content: "a"}}, Limits{}, ellipsis(strings.Repeat("a/", maxName/2)+"b") + " invalid unpack/overlong-name"},
		"link, then folder": {[]member{{name: "A", link: "c"}, {name: "a", link: "d"}, {name: "a/b", content: "a"}}, Limits{}, "a untrusted unpack/duplicate\na/b invalid unpack/through-link"},
		"link inside":       {[]member{{name: "a/b", link: "../c"}}, Limits{}, ""},
		"absolute link":     {[]member{{name: "a/b", link: "/usr/bin/x"}}, Limits{}, ""},
		"encrypted":         {[]member{{name: "x", how: "encrypted", content: "a"}}, Limits{}, "x inconclusive unpack/not-looked-into"},
		"lying size":        {[]member{{name: "x", how: "lies", content: "a"}}, Limits{}, "x invalid unpack/size-mismatch"},
		"broken":            {[]member{{name: "x", how: "broken", content: "a"}, {name: "y.exe", content: "MZ"}}, Limits{}, "x invalid unpack/broken\ny.exe valid initials/valid"},
		"unknown kind":      {[]member{{name: "x.rar", content: "Rar!\x1a\x07"}}, Limits{}, "x.rar inconclusive unpack/not-looked-into"},
		"too many":          {[]member{{name: "x", content: "a"}, {name: "y", content: "a"}}, Limits{Files: 1}, " inconclusive unpack/limit"},
		"too large":         {[]member{{name: "x", content: strings.Repeat("a", 5000)}}, Limits{Bytes: 4999}, " inconclusive unpack/limit"},
		"too deep":          {[]member{{name: "x.tar", content: string(tarOf(t, member{name: "y", content: "a"}))}}, Limits{Depth: 1}, "x.tar inconclusive unpack/limit"},
		"opener panics":     {[]member{{name: "x", how: "panics", content: "a"}}, Limits{}, " inconclusive tar/crashed"},
		"broken container":  {[]member{{name: "x.tar", content: strings.Repeat("x", 257) + "ustar" + strings.Repeat("x", 1000)}}, Limits{}, "x.tar invalid tar/broken"},
	} {
		t.Run(name, func(t *testing.T) {
			r := lookInto(t, &Examiner{Limits: c.limits}, tarOf(t, c.members...))
			want := " absent verify/no-method\n"
			if c.want != "" {
				want += c.want + "\n"
			}
			if got := said(r); got != want {
				t.Errorf("findings:\n%s\nwant:\n%s", got, want)
			}
			if unread := strings.Contains(want, "inconclusive") || strings.Contains(want, "broken"); (r.Contents.Unread > 0) != unread {
				t.Errorf("%d entries are said not to have been looked into", r.Contents.Unread)
			}
		})
	}
}

// ellipsis is how a long path is shown.
func ellipsis(path string) string { return path[:maxPath/2] + "…" + path[len(path)-maxPath/2:] }

// renamingOpener calls what is in an entry otherwise than the entry itself does.
type renamingOpener struct {
	inner []byte
	names map[string]Installed
}

func (renamingOpener) Method() string         { return "renaming" }
func (renamingOpener) Match(a *Artifact) bool { return a.Format == "msi" }
func (o renamingOpener) Open(_ context.Context, _ *Artifact, inside Inside) ([]Finding, error) {
	return nil, inside.Offer(Entry{Name: "disk1.tar", Size: int64(len(o.inner)), Reader: bytes.NewReader(o.inner), Names: o.names})
}

func TestAContainerMayNameTheFilesOfItsEntries(t *testing.T) {
	inner := tarOf(t, member{name: "f_1", content: "MZ"}, member{name: "f_2", content: "MZ"}, member{name: "f_3", content: "MZ"})
	e := &Examiner{Verifiers: []Verifier{initials{}}, Openers: []Opener{tarOpener{}, renamingOpener{inner, map[string]Installed{"f_1": {Path: "app/setup.exe"}, "f_2": {Path: "../evil.exe"}}}}}
	r := e.Examine(t.Context(), &Artifact{Format: "msi", Content: bytes.NewReader(nil)}, Env{Inside: true})
	want := ` absent verify/no-method
disk1.tar/app/setup.exe valid initials/valid
disk1.tar/../evil.exe invalid unpack/traversal
disk1.tar/../evil.exe valid initials/valid
disk1.tar/f_3 valid initials/valid
`
	if got := said(r); got != want {
		t.Errorf("findings:\n%s\nwant:\n%s", got, want)
	}
}

func TestAFileOfNoKnownKindIsNotSaidToHoldNothing(t *testing.T) {
	e := &Examiner{Verifiers: []Verifier{initials{}}, Openers: []Opener{tarOpener{}}}
	r := e.Examine(t.Context(), &Artifact{Name: "image", Size: 4, Content: strings.NewReader("data")}, Env{Inside: true})
	if got := said(r); got != " absent verify/no-method\n inconclusive unpack/not-looked-into\n" || r.Contents.Unread != 1 {
		t.Errorf("%s, %+v", got, *r.Contents)
	}
	r = e.Examine(t.Context(), &Artifact{Name: "InRelease", Role: Metadata, Size: 4, Content: strings.NewReader("data")}, Env{Inside: true})
	if r.Contents.Unread != 0 {
		t.Errorf("metadata is text of no kind: %s", said(r))
	}
}

func TestRatioBoundsSmallArtifacts(t *testing.T) {
	if l := (Limits{}).withDefaults(10 << 20); l.Bytes != 400<<20 {
		t.Errorf("10 MiB may become %d bytes", l.Bytes)
	}
	if l := (Limits{}).withDefaults(1 << 10); l.Bytes != alwaysUnpacked {
		t.Errorf("1 KiB may become %d bytes", l.Bytes)
	}
	if l := (Limits{}).withDefaults(1 << 40); l.Bytes != 16<<30 {
		t.Errorf("1 TiB may become %d bytes", l.Bytes)
	}
}

func TestNothingIsOpenedUnlessAsked(t *testing.T) {
	data := tarOf(t, member{name: "a.exe", content: "MZ"})
	e := &Examiner{Verifiers: []Verifier{initials{}}, Openers: []Opener{tarOpener{}}}
	r := e.Examine(t.Context(), &Artifact{Format: "tar", Size: int64(len(data)), Content: bytes.NewReader(data)}, Env{})
	if r.Contents != nil || len(r.Findings) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestInnerFilesLeaveNothingBehind(t *testing.T) {
	dir := t.TempDir()
	lookInto(t, &Examiner{Limits: Limits{Memory: 1, Dir: dir}}, tarOf(t, member{name: "huge.exe", content: "MZ" + strings.Repeat("code", 5<<19)}))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) > 0 {
		t.Errorf("%v, %v", entries, err)
	}
}
