package policy

import (
	"fmt"
	"strings"
	"time"
)

// Scanner is something that updates are given to to be looked through, as the section scanners defines it: clamd, an ICAP server or
// a command. What may be left out has been filled in.
type Scanner struct {
	Name           string
	Line, Position int // of its name in the policy file, from 1

	Clamd string // "unix:/path" or "tcp:host:port"; empty: it is no clamd

	ICAP    string // URL of a service; empty: it is no ICAP server
	Request bool   // it is asked with REQMOD, else with RESPMOD
	Early   bool   // that nothing is to be changed counts as clean, too, if it was said before the whole file was sent

	Command    []string // program and arguments, in one of which {file} may stand for the file's path; empty: it is no command
	FoundExits []int    // the exit statuses that mean that something was found; empty: every line that it prints means that

	MaxSize  int64         // bytes of the largest file that it is given
	Contents bool          // a larger container counts as scanned if everything in it was
	Timeout  time.Duration // for one file
	Total    time.Duration // for one update with everything inside
	Remember time.Duration // what it said of an update; 0: not at all
	AtOnce   int           // files that it is given at once
}

// FileArgument stands in a scanner's command for the path of the file.
const FileArgument = "{file}"

// What a scanner is held to where the policy does not say.
const (
	scanMaxSize  = 100 << 20
	scanTimeout  = time.Minute
	scanTotal    = 10 * time.Minute
	scanRemember = time.Hour
	scanAtOnce   = 4
)

// Scanners returns the scanners of the policy, in the order of the file.
func (p *Policy) Scanners() []Scanner {
	out := make([]Scanner, len(p.scanners))
	for i, s := range p.scanners {
		out[i] = *s
	}
	return out
}

// Where says in a few words what the scanner is.
func (s *Scanner) Where() string {
	switch {
	case s.Clamd != "":
		return "clamd at " + s.Clamd
	case s.ICAP != "":
		return map[bool]string{true: "REQMOD", false: "RESPMOD"}[s.Request] + " to " + s.ICAP
	case len(s.Command) > 0:
		return "command " + s.Command[0]
	}
	return "nothing"
}

// scannersFor returns the names, sorted, of the scanners that requirements of channels ask, and whether any asks for what is inside.
func scannersFor(channels []*channel) (names []string, inside bool) {
	if len(channels) == 1 {
		return channels[0].scanners, channels[0].scanInside
	}
	seen := map[string]bool{}
	for _, c := range channels {
		inside = inside || c.scanInside
		for _, name := range c.scanners {
			seen[name] = true
		}
	}
	if len(seen) == 0 {
		return nil, false
	}
	return sortedKeys(seen), inside
}

// scannersOf returns the names, sorted, of the scanners that requirements ask, at whatever depth, and whether any asks for what is
// inside.
func scannersOf(requires []requirement) (names []string, inside bool) {
	seen := map[string]bool{}
	each(requires, func(r requirement) {
		var asked []*Scanner
		switch r := r.(type) {
		case *scan:
			asked, inside = r.scanners, inside || r.opens
		case *condition:
			asked, inside = r.scanners, inside || len(r.scanners) > 0
		}
		for _, s := range asked {
			seen[s.Name] = true
		}
	})
	if len(seen) == 0 {
		return nil, false
	}
	return sortedKeys(seen), inside
}

// scannerSources names scanners, and says where they are.
func (p *Policy) scannerSources(names []string) string {
	var out []string
	for _, s := range p.scanners {
		if contains(names, s.Name) {
			out = append(out, fmt.Sprintf("%s (%s)", s.Name, s.Where()))
		}
	}
	return strings.Join(out, ", ")
}

func scannerNames(scanners []*Scanner) string {
	names := make([]string, len(scanners))
	for i, s := range scanners {
		names[i] = s.Name
	}
	return strings.Join(names, ", ")
}

// each calls f for requirements and all that they consist of.
func each(requires []requirement, f func(requirement)) {
	for _, r := range requires {
		f(r)
		switch r := r.(type) {
		case *group:
			each(r.of, f)
		case *negation:
			each([]requirement{r.of}, f)
		case *lenient:
			each([]requirement{r.of}, f)
		}
	}
}
