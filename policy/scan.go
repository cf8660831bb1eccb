package policy

import "time"

// ScanStatus is what became of a scan. The zero value is no scan.
type ScanStatus uint8

const (
	ScanFailed ScanStatus = iota // it was not made, not ended, or not of everything
	ScanClean                    // everything was scanned, and nothing found
	ScanFound                    // something was found
)

var scanNames = [...]string{"failed", "clean", "found"}

// String returns the status as records spell it.
func (s ScanStatus) String() string {
	if int(s) < len(scanNames) {
		return scanNames[s]
	}
	return "failed"
}

// MarshalText implements encoding.TextMarshaler as String does.
func (s ScanStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler: what it does not know is ScanFailed.
func (s *ScanStatus) UnmarshalText(b []byte) error {
	*s = ScanFailed
	for i, name := range scanNames {
		if name == string(b) {
			*s = ScanStatus(i)
		}
	}
	return nil
}

// Scan is what a scanner says of an update and of what is inside.
type Scan struct {
	Status ScanStatus `json:"status"`
	// File is what became of the update itself, whatever is inside; Inside says that what is inside was scanned, too, and counts in Status.
	File   ScanStatus `json:"file"`
	Inside bool       `json:"inside,omitempty"`
	Hits   []ScanHit  `json:"hits,omitempty"`   // the first that were found; MaxScanHits at most
	Reason string     `json:"reason,omitempty"` // why it failed, in words; beside hits: why there may be others
	Engine string     `json:"engine,omitempty"` // the scanner's name and the versions of its engine and its signatures
	Files  int        `json:"files"`            // that were scanned
	At     time.Time  `json:"at"`               // when; it may have been remembered
}

// MaxScanHits is after how many hits a scanner is not asked any further about an update.
const MaxScanHits = 16

// ScanHit is something that a scanner has found.
type ScanHit struct {
	Path string `json:"path,omitempty"` // the inner file; empty for the update itself
	Name string `json:"name"`           // as the scanner calls it
}
