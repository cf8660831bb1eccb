package reputation

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

const maxProblems = 10

// reader is one list being read: what parsers give to, and what they are told.
type reader struct {
	Reading
	ctx     context.Context
	at      time.Time // what ended before is left out
	limits  limits
	put     func(*entry) error
	summary Summary
	steps   int
	weak    int // entries left out for being so
}

// limits bounds what a list may cost. Zero values are not meaningful.
type limits struct {
	unpacked int64 // bytes, of all that is packed in a list
	line     int   // bytes
	element  int64 // bytes, of one element of JSON
	depth    int   // of JSON
	files    int   // in a zip
}

func defaultLimits(size int64) limits {
	return limits{unpacked: max(64<<20, 40*size), line: 64 << 10, element: 16 << 20, depth: 64, files: 2e6}
}

// step is called for every line and element.
func (r *reader) step() error {
	if r.steps++; r.steps%1024 != 0 {
		return nil
	}
	if bad := float64(r.summary.Unreadable); bad > 1000 && bad > max(0.5, r.maxUnreadable())*float64(r.summary.Entries+r.summary.Ignored)+bad/2 {
		if err := r.finish(); err != nil { // it is something else altogether
			return err
		}
	}
	return r.ctx.Err()
}

// take gives an entry on.
func (r *reader) take(e entry, line int, label string, listed time.Time) error {
	if r.Good && e.kind.Weak() {
		r.summary.Ignored++
		r.weak++
		return nil
	}
	e.line, e.listed = line, seconds(listed)
	if e.until != 0 && !r.at.IsZero() && int64(e.until) <= r.at.Unix() {
		r.summary.Ignored++
		return nil
	}
	if len(label) > maxLabel {
		label = strings.ToValidUTF8(label[:maxLabel], "")
	}
	e.label = label
	r.summary.Entries++
	return r.put(&e)
}

func (r *reader) unreadable(line int, format string, args ...any) {
	r.summary.Unreadable++
	if len(r.summary.Problems) < maxProblems {
		r.summary.Problems = append(r.summary.Problems, Problem{line, fmt.Sprintf(format, args...)})
	}
}

// dated notes a date that the list gives itself; the newest counts.
func (r *reader) dated(t time.Time) {
	if t.After(r.summary.Date) {
		r.summary.Date = t
	}
}

// finish judges the list as a whole.
func (r *reader) finish() error {
	if bad := r.summary.Unreadable; float64(bad) > r.maxUnreadable()*float64(r.summary.Entries+r.summary.Ignored+bad) {
		return refusef("%d of %d entries are unreadable, more than %.3g %%; %s", bad, r.summary.Entries+r.summary.Ignored+bad,
			100*r.maxUnreadable(), r.summary.Problems[0])
	}
	if r.weak > 0 && r.summary.Entries == 0 {
		return refusef("it names files by MD5 and SHA-1 alone, which is not enough to call them good: somebody can make another file with the same")
	}
	return nil
}

// quote shows a piece of the list to a person; only once it is asked for, since most are not.
type quote string

// String returns it in quotes, shortened and printable.
func (q quote) String() string {
	return "“" + printable.Text(string(q[:min(len(q), 400)]), 60) + "”"
}

// digest returns the bytes of a digest in hexadecimal: 32, 40, 64 or 128 digits.
func digest(s []byte) ([]byte, bool) {
	switch len(s) {
	case 32, 40, 64, 128:
	default:
		return nil, false
	}
	sum := make([]byte, len(s)/2)
	if _, err := hex.Decode(sum, s); err != nil {
		return nil, false
	}
	return sum, true
}

// value makes an entry of a value by its look, or as Values says.
func (r *reader) value(s string) (entry, error) {
	switch r.Values {
	case ValuesSerial:
		return serialEntry(s, "")
	case ValuesURL:
		return urlEntry(refang(s))
	case ValuesDomain:
		return domainEntry(refang(s))
	case ValuesHost:
		return hostEntry(refang(s))
	case ValuesPackage:
		return purlEntry(s)
	case ValuesCertificate:
		sum, err := hexText(s)
		if kind := certificateKind(len(sum)); err == nil && kind != KindNone {
			return digestEntry(kind, sum), nil
		}
		return entry{}, fmt.Errorf("the digest of a certificate has 40 or 64 hexadecimal digits")
	}
	return r.guess(s)
}

func (r *reader) guess(s string) (entry, error) {
	if i := strings.IndexByte(s, ':'); i > 0 && i <= 6 && len(s) > i+1 { // sha256:…
		if sum, ok := digest([]byte(s[i+1:])); ok && strings.EqualFold(s[:i], fileKind(len(sum)).String()) {
			s = s[i+1:]
		}
	}
	if sum, ok := digest([]byte(s)); ok {
		return digestEntry(fileKind(len(sum)), sum), nil
	}
	if r.Values == ValuesFile {
		return entry{}, fmt.Errorf("the digest of a file has 32, 40, 64 or 128 hexadecimal digits")
	}
	if strings.HasPrefix(s, "pkg:") {
		return purlEntry(s)
	}
	s = refang(s)
	if strings.Contains(s, "://") {
		return urlEntry(s)
	}
	if sum, err := hexText(s); err == nil && strings.Count(s, ":") == len(sum)-1 && certificateKind(len(sum)) != KindNone {
		return digestEntry(certificateKind(len(sum)), sum), nil // AB:CD:… is how tools show certificates
	}
	e, err := domainEntry(s)
	if err != nil {
		return entry{}, fmt.Errorf("this is no digest, URL, name or package URL")
	}
	return e, nil
}

// purlEntry makes an entry of a package URL: one version, or all where it names none.
func purlEntry(s string) (entry, error) {
	p, err := ParsePackageURL(s)
	if err != nil {
		return entry{}, err
	}
	a := &Affected{Ranges: []Range{{Type: "ECOSYSTEM", Events: []Bound{{Introduced: "0"}}}}}
	if p.Version != "" {
		a = &Affected{Versions: []string{p.Version}}
	}
	return packageEntry(p, a)
}

func packageEntry(p Package, a *Affected) (entry, error) {
	text, err := packageText(p)
	if err != nil {
		return entry{}, err
	}
	e := textEntry(KindPackage, text)
	if _, release := ecosystem(p.Ecosystem); release != "" {
		a.Ecosystem = p.Ecosystem
	}
	e.detail = a
	return e, nil
}
