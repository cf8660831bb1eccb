package policy

import (
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// scan asks that scanners find nothing.
type scan struct {
	scanners []*Scanner
	opens    bool // in anything inside, either
}

// String implements requirement.
func (r *scan) String() string {
	if r.opens {
		return "scanned by " + scannerNames(r.scanners) + " with everything inside, and nothing found"
	}
	return "scanned by " + scannerNames(r.scanners) + ", for which it is not opened, and nothing found"
}

func (r *scan) sidecars() bool { return false }

// inside implements requirement: for a scan an update is opened by whoever has it scanned.
func (r *scan) inside() bool { return false }

func (r *scan) refers(func(*anchor)) {}

// judge implements requirement. What one scanner finds no other makes good, and what one could not scan no other does, either.
func (r *scan) judge(e *evidence) (outcome, string) {
	label := "scan " + scannerNames(r.scanners) + ": "
	if e.facts == nil {
		return undecided, label + "nothing is known of any scan"
	}
	var found, open, clean []string
	for _, s := range r.scanners {
		switch o, why := r.one(s, e.facts.Scans); o {
		case fails:
			found = append(found, why)
		case holds:
			clean = append(clean, why)
		default:
			open = append(open, why)
		}
	}
	switch {
	case len(found) > 0:
		return fails, label + strings.Join(found, "; ")
	case len(open) > 0:
		return undecided, label + strings.Join(open, "; ")
	case len(clean) == 0:
		return undecided, label + "no scanner was asked"
	}
	return holds, label + strings.Join(clean, "; ")
}

// one judges what one scanner says.
func (r *scan) one(of *Scanner, scans map[string]Scan) (outcome, string) {
	s, asked := scans[of.Name]
	name := of.Name
	if s.Engine != "" {
		name += " (" + printable.Text(s.Engine, 120) + ")"
	}
	switch {
	case !asked:
		return undecided, name + " was not asked"
	case s.Status == ScanFound || len(s.Hits) > 0:
		return fails, name + " found " + s.hits()
	case r.opens && s.Status == ScanClean && s.Inside:
		return holds, name + " found nothing in " + s.files()
	case r.opens && s.Status == ScanClean:
		return undecided, name + " was given only the file itself, not what is inside"
	case !r.opens && (s.File == ScanClean || s.Status == ScanClean):
		return holds, name + " found nothing in the file itself; what may be inside does not matter here"
	}
	return undecided, name + " could not tell: " + s.why()
}

func (s *Scan) why() string {
	if s.Reason == "" {
		return "there is no scan"
	}
	return printable.Text(s.Reason, 600)
}

// files says how much was scanned.
func (s *Scan) files() string {
	switch n := s.Files - 1; {
	case n == 1:
		return "the file itself and 1 file inside"
	case n > 1:
		return fmt.Sprintf("the file itself and %d files inside", n)
	}
	return "the file itself, in which there are no others"
}

// hits says what was found where.
func (s *Scan) hits() string {
	var parts []string
	for i, h := range s.Hits {
		if i == maxQuoted {
			parts = append(parts, fmt.Sprintf("and %d more", len(s.Hits)-i))
			break
		}
		parts = append(parts, h.sentence())
	}
	if len(parts) == 0 {
		return "something, and does not say what"
	}
	return strings.Join(parts, ", ")
}

// sentence says what was found where.
func (h ScanHit) sentence() string {
	where := "the file itself"
	if h.Path != "" {
		where = printable.Text(h.Path, 200) + " inside"
	}
	name := printable.Text(h.Name, 160)
	if name == "" {
		name = "something without a name"
	}
	return name + " in " + where
}

// sentence says shortly how a scan came out.
func (s *scanned) sentence() string {
	switch {
	case s.Status == ScanFound || len(s.Hits) > 0:
		return s.scanner + " found " + s.hits()
	case s.Status == ScanClean && s.Inside:
		return s.scanner + " found nothing"
	}
	return s.scanner + " could not tell"
}
