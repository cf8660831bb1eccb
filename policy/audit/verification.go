package audit

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Fault is what is wrong with a log at one place.
type Fault string

const (
	FaultEdited    Fault = "edited"    // a record is not the one that was signed
	FaultMissing   Fault = "missing"   // records were taken out
	FaultInserted  Fault = "inserted"  // a record stands where none was signed; it may be a copy of another
	FaultReordered Fault = "reordered" // a record stands at another place than it was signed at
	FaultPersonal  Fault = "personal"  // a personal value does not fit its commitment
	FaultSignature Fault = "signature" // a checkpoint is not signed by the log's key, or cannot be read
	FaultCut       Fault = "cut"       // a checkpoint covers more records than there are
	FaultFork      Fault = "fork"      // a checkpoint covers other records than are there
)

// Problem is one place where a log is not what was signed.
type Problem struct {
	Fault Fault `json:"fault"`
	// Index is the number of the first record that is concerned, counted from 0; -1 where none is. Last is the last
	// one: where it is greater, it cannot be told which of them it is, or it is all of them.
	Index int64 `json:"index"`
	Last  int64 `json:"last"`
	// ID is the id in the record's place, as it says itself; "" where none is there.
	ID     string `json:"id,omitempty"`
	Detail string `json:"detail"` // a sentence for a person
}

// String returns the problem as one line.
func (p Problem) String() string {
	where := ""
	switch {
	case p.Index < 0:
	case p.Last > p.Index:
		where = fmt.Sprintf(" records %d to %d", p.Index, p.Last)
	default:
		where = fmt.Sprintf(" record %d", p.Index)
	}
	if p.ID != "" {
		where += " (" + p.ID + ")"
	}
	return string(p.Fault) + where + ": " + p.Detail
}

// Verification is what Verify found.
type Verification struct {
	Origin      string    `json:"origin"`             // the log's name
	Key         string    `json:"key"`                // the key's id in signed notes: its name, "+", 8 hexadecimal digits
	Records     int64     `json:"records"`            // records that are what was signed, counted from the first
	Root        tlog.Hash `json:"root"`               // of the tree of those
	Checkpoints int64     `json:"checkpoints"`        // signatures that were checked
	Bytes       int64     `json:"bytes"`              // that were read
	Deleted     int64     `json:"deleted"`            // personal values that are no longer there
	Pending     int64     `json:"pending"`            // bytes behind the last checkpoint: being written, or torn
	Extends     *int64    `json:"extends,omitempty"`  // records of the given checkpoint, if the log is an extension of it
	Problems    []Problem `json:"problems,omitempty"` // at most 100, the first ones
	// Warnings say what does no harm to the log: its file of tree hashes, say, can be made again.
	Warnings []string `json:"warnings,omitempty"`
}

// OK reports whether nothing is wrong.
func (v Verification) OK() bool { return len(v.Problems) == 0 }

const maxProblems = 100

func (v *Verification) add(p Problem) {
	if len(v.Problems) < maxProblems {
		v.Problems = append(v.Problems, p)
	}
}
