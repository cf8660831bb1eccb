package reputation

import (
	"fmt"
	"slices"
	"time"
)

// Format is how a list is written. FEEDS.md describes each.
type Format string

const (
	FormatAuto       Format = ""           // told by the content
	FormatPlain      Format = "plain"      // one value a line
	FormatCSV        Format = "csv"        // rows, with the values in a column
	FormatSTIX       Format = "stix"       // STIX 2.x bundle
	FormatMISP       Format = "misp"       // MISP events or attributes in JSON
	FormatOSV        Format = "osv"        // OSV records in JSON
	FormatHashlookup Format = "hashlookup" // hashlookup objects in JSON, one after the other
	FormatKEV        Format = "kev"        // a catalogue of known exploited vulnerabilities in CISA's JSON
)

var formats = []Format{FormatAuto, FormatPlain, FormatCSV, FormatSTIX, FormatMISP, FormatOSV, FormatHashlookup, FormatKEV}

// Values says what the values of a plain list or a CSV column are, where they do not tell by themselves.
type Values string

const (
	ValuesAuto        Values = ""            // digests of files, URLs, names, package URLs: by their look
	ValuesFile        Values = "file"        // digests of files
	ValuesCertificate Values = "certificate" // digests of certificates
	ValuesSerial      Values = "serial"      // serial numbers of certificates, hexadecimal
	ValuesURL         Values = "url"
	ValuesDomain      Values = "domain" // names, and what is below them
	ValuesHost        Values = "host"   // names alone
	ValuesPackage     Values = "package"
)

var valueSorts = []Values{ValuesAuto, ValuesFile, ValuesCertificate, ValuesSerial, ValuesURL, ValuesDomain, ValuesHost, ValuesPackage}

// Reading says how a list is read.
type Reading struct {
	Format Format
	// Column is the column of a CSV list that holds the values: its name, or its number from 1. Empty: what the names of
	// the columns suggest, else the first that looks like a value.
	Column string
	Values Values
	// Good says that the list is of what is known to be good. What it says by MD5 or SHA-1 is left out then, and so is what
	// it says to be malicious.
	Good bool
	// MaxEntries bounds how many entries a list may have; 0 is 20 million.
	MaxEntries int
	// MaxUnreadable is the share of entries that may be unreadable before the list is refused: 0 is 0.01, and a negative
	// number none.
	MaxUnreadable float64
}

func (r Reading) check() error {
	switch {
	case !slices.Contains(formats, r.Format):
		return fmt.Errorf("there is no format %q", r.Format)
	case !slices.Contains(valueSorts, r.Values):
		return fmt.Errorf("there are no values %q", r.Values)
	case r.Column != "" && r.Format != FormatCSV && r.Format != FormatAuto:
		return fmt.Errorf("only a csv list has columns")
	case r.MaxUnreadable >= 1 || r.MaxEntries < 0:
		return fmt.Errorf("max_unreadable is below 1, and max_entries is not negative")
	}
	return nil
}

func (r Reading) maxEntries() int {
	if r.MaxEntries == 0 {
		return 20e6
	}
	return r.MaxEntries
}

func (r Reading) maxUnreadable() float64 {
	if r.MaxUnreadable == 0 {
		return 0.01
	}
	return max(r.MaxUnreadable, 0)
}

// Summary says what came of reading a list.
type Summary struct {
	Format     Format    `json:"format"`
	Entries    int       `json:"entries"`              // taken; one thing named twice counts twice
	Ignored    int       `json:"ignored,omitempty"`    // understood and left out: of no use here, revoked, too weak
	Unreadable int       `json:"unreadable,omitempty"` // lines or elements that could not be understood
	Problems   []Problem `json:"problems,omitempty"`   // the first ten of the unreadable
	Date       time.Time `json:"date,omitzero"`        // the newest date that the list gives itself
}

// Problem is something unreadable.
type Problem struct {
	Line int    `json:"line"` // from 1
	Text string `json:"text"` // one sentence; quotes the list only in a printable form
}

// String returns "line 3: …".
func (p Problem) String() string { return fmt.Sprintf("line %d: %s", p.Line, p.Text) }
