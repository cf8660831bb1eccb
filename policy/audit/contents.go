package audit

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify"
)

// Contents is what was inside an artifact, as records show it: counts first, then who signed how much, then every
// executable. What stands out is in the record's Findings.
type Contents struct {
	Files       int           `json:"files"`             // on all levels of containers
	Bytes       int64         `json:"bytes"`             // all of them, unpacked
	Executables int           `json:"executables"`       //
	Containers  int           `json:"containers"`        // that were opened
	Depth       int           `json:"depth"`             // of containers in one another
	Unread      int           `json:"unread"`            // that were not looked into
	Signers     []InnerSigner `json:"signers,omitempty"` // most files first
	Inner       []InnerFile   `json:"inner,omitempty"`   // the executables
	LeftOut     int           `json:"left_out,omitempty"`
}

// InnerSigner is one way in which inner files are vouched for.
type InnerSigner struct {
	Method  string   `json:"method"`
	Code    string   `json:"code"`
	Signer  string   `json:"signer,omitempty"`
	Anchors []string `json:"anchors,omitempty"`
	Files   int      `json:"files"`
}

// InnerFile is one executable inside an artifact.
type InnerFile struct {
	Path     string            `json:"path"`
	Format   verify.Format     `json:"format"`
	Size     int64             `json:"size"`
	SHA256   verify.Digest     `json:"sha256"`
	Digests  map[string]string `json:"digests,omitempty"` // hexadecimal, by name: "authenticode/sha256"
	By       []int             `json:"by,omitempty"`      // who vouches for it: places in Signers
	SignedAt time.Time         `json:"signed_at,omitzero"`
}

// Most of what a record says about inner files, in bytes of text, and of ways in which they are vouched for.
const (
	maxInnerBytes = 384 << 10
	innerOverhead = 250 // bytes of a file's entry besides its path
	maxSigners    = 64
)

// OfReport returns a report as records show it. Findings that only say that an inner executable is vouched for are
// counted in Contents; all others are in the list, bounded as by FindingsFrom.
func OfReport(r verify.Report) ([]Finding, *Contents) {
	if r.Contents == nil {
		return FindingsFrom(r.Findings), nil
	}
	c := &Contents{
		Files: r.Contents.Files, Bytes: r.Contents.Bytes, Executables: r.Contents.Executables,
		Containers: r.Contents.Containers, Depth: r.Contents.Depth, Unread: r.Contents.Unread,
	}
	shown, vouched := make([]verify.Finding, 0, 64), map[string][]verify.Finding{}
	for _, f := range r.Findings {
		if f.Subject != "" && f.Status == verify.Valid && !(f.Signer.IsZero() && len(f.Anchors) == 0) {
			vouched[f.Subject] = append(vouched[f.Subject], f)
		} else {
			shown = append(shown, f)
		}
	}
	c.list(r.Contents.Inner, vouched)
	// What is wrong comes first, after what is said of the artifact itself.
	slices.SortStableFunc(shown, func(a, b verify.Finding) int {
		if a.Subject == "" || b.Subject == "" {
			return cmp.Compare(min(len(a.Subject), 1), min(len(b.Subject), 1))
		}
		return weight(Finding{Subject: b.Subject, Status: b.Status}) - weight(Finding{Subject: a.Subject, Status: a.Status})
	})
	return FindingsFrom(shown), c
}

// list fills in the executables, and who vouches for them.
func (c *Contents) list(inner []verify.Inner, vouched map[string][]verify.Finding) {
	groups := map[string]*InnerSigner{}
	keys := map[string][]string{} // by path: the groups it is in
	for i := range inner {
		for _, f := range vouched[inner[i].Path] {
			key := strings.Join([]string{f.Method, f.Code, f.Signer.String(), strings.Join(f.Anchors, " ")}, "\x00")
			g := groups[key]
			if g == nil {
				b := FindingFrom(f)
				g = &InnerSigner{Method: b.Method, Code: b.Code, Signer: b.Signer, Anchors: b.Anchors}
				groups[key] = g
			}
			if !slices.Contains(keys[inner[i].Path], key) {
				g.Files++
				keys[inner[i].Path] = append(keys[inner[i].Path], key)
			}
		}
	}
	order := slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(groups[b].Files-groups[a].Files, strings.Compare(a, b))
	})
	place := map[string]int{}
	for i, key := range order[:min(len(order), maxSigners)] {
		place[key] = i
		c.Signers = append(c.Signers, *groups[key])
	}
	size := 0
	for i := range inner {
		if !inner[i].Format.Executable() {
			continue
		}
		f := innerFile(inner[i])
		for _, key := range keys[inner[i].Path] {
			if at, kept := place[key]; kept {
				f.By = append(f.By, at)
			}
		}
		for _, v := range vouched[inner[i].Path] {
			if f.SignedAt.IsZero() {
				f.SignedAt = v.SignedAt.UTC()
			}
		}
		if size += len(f.Path) + innerOverhead; size > maxInnerBytes {
			c.LeftOut++
			continue
		}
		c.Inner = append(c.Inner, f)
	}
}

func innerFile(in verify.Inner) InnerFile {
	f := InnerFile{Path: printable.Text(in.Path, maxName), Format: in.Format, Size: in.Size, SHA256: in.SHA256}
	for name, sum := range in.Taps {
		if f.Digests == nil {
			f.Digests = map[string]string{}
		}
		f.Digests[name] = hex.EncodeToString(sum)
	}
	return f
}

// boundedContents returns a copy whose texts and lists are within their bounds.
func boundedContents(c *Contents) *Contents {
	if c == nil {
		return nil
	}
	b := *c
	b.Signers = slices.Clone(c.Signers[:min(len(c.Signers), maxSigners)])
	for i := range b.Signers {
		s := &b.Signers[i]
		s.Method, s.Code, s.Signer = printable.Text(s.Method, maxWord), printable.Text(s.Code, maxWord), printable.Text(s.Signer, maxWord)
		if len(s.Anchors) > 0 {
			s.Anchors = boundedList(s.Anchors, maxAnchors, maxWord)
		}
	}
	b.Inner = slices.Clone(c.Inner)
	size := 0
	for i := range b.Inner {
		f := &b.Inner[i]
		f.Path, f.Format = printable.Text(f.Path, maxName), verify.Format(printable.Text(string(f.Format), maxWord))
		f.Digests, f.By, f.SignedAt = maps.Clone(f.Digests), slices.Clone(f.By), f.SignedAt.UTC()
		if size += len(f.Path) + innerOverhead; size > maxInnerBytes {
			b.LeftOut += len(b.Inner) - i
			b.Inner = b.Inner[:i]
			break
		}
	}
	return &b
}

// shrunkContents keeps the counts of what is too much for one record.
func shrunkContents(c *Contents) *Contents {
	if c == nil {
		return nil
	}
	b := *c
	b.LeftOut += len(b.Inner)
	b.Inner = nil
	return &b
}
