package policy

import "github.com/sallyport-project/sallyport/verify"

// Changes is what is different between an update and the release of the same product that was let through last on the same
// channel. Lists are sorted by path and bounded; the counts are of all.
type Changes struct {
	Channel string        `json:"channel"`
	Against PastRelease   `json:"against"`
	Opened  bool          `json:"opened"`           // both were looked into, so that what follows about files is known
	Partly  bool          `json:"partly,omitempty"` // not all of both could be looked into: there may be more
	Size    [2]int64      `json:"size"`             // before and after, bytes
	Signers [2][]string   `json:"signers"`
	Files   ChangedFiles  `json:"files"`
	Counts  ChangedCounts `json:"counts"`
	LeftOut int           `json:"left_out,omitempty"` // changes that are counted but not listed
}

// ChangedFiles lists the files that differ.
type ChangedFiles struct {
	Added    []ChangedFile `json:"added,omitempty"`
	Removed  []ChangedFile `json:"removed,omitempty"`
	Changed  []ChangedFile `json:"changed,omitempty"`
	Unsigned []ChangedFile `json:"unsigned,omitempty"` // were signed, or are new and alone without a signature
	Resigned []ChangedFile `json:"resigned,omitempty"` // signed by somebody else
	Imports  []ChangedFile `json:"imports,omitempty"`  // with what they import or may do and did not before, in Notes
	Actions  []string      `json:"actions,omitempty"`  // what the installer runs and did not, or runs otherwise
}

// ChangedFile is one of them. Its texts are printable and short.
type ChangedFile struct {
	// Path is that in the update, of a removed file that in the release before; empty for the update itself.
	Path   string        `json:"path"`
	Format verify.Format `json:"format,omitempty"`
	Size   [2]int64      `json:"size"`
	Notes  []string      `json:"notes,omitempty"`
}

// ChangedCounts counts the files that differ.
type ChangedCounts struct {
	Added    int `json:"added"`
	Removed  int `json:"removed"`
	Changed  int `json:"changed"`
	Unsigned int `json:"unsigned"`
	Resigned int `json:"resigned"`
	Imports  int `json:"imports"`
	Actions  int `json:"actions"`
}
