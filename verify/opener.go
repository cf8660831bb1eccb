package verify

import (
	"context"
	"io"
)

// Opener knows one kind of container. It is used by several goroutines at once.
type Opener interface {
	// Method returns the kind of container, which findings about the container's structure have as their method:
	// "zip", "msi".
	Method() string
	// Match reports whether Open can look into the artifact. It reads content at most.
	Match(*Artifact) bool
	// Open hands everything that the container holds, one level of it, to inside, and returns what is wrong with the
	// container itself; a Subject of such a finding is the name of the entry that it is about. What inside returns as
	// an error ends the walk and is returned unchanged. Any other error means that we failed; a container that is
	// broken is a finding: Invalid where its structure contradicts itself, Inconclusive ("<method>/not-looked-into")
	// where it uses what we do not know.
	Open(ctx context.Context, a *Artifact, inside Inside) ([]Finding, error)
}

// Inside receives what an Opener finds. It looks at the names itself (traversal, duplicates, links that lead out) and
// at the limits; an Opener only has to bound what it does before it offers an entry.
type Inside interface {
	// Offer is called for each entry, in the container's order, from one goroutine. The entry's Reader is used before
	// Offer returns, or not at all; its Content may be read for as long as the container's own.
	Offer(Entry) error
}

// Entry is one thing in a container.
type Entry struct {
	// Name is the path as the container spells it, with "/" between its parts. It comes from a stranger and may be
	// anything; an Opener does not clean it.
	Name string
	// Size is the declared number of bytes, -1 where the container declares none. A Reader that gives more or fewer is
	// reported by the walk.
	Size int64
	// Reader gives the bytes once, as they are unpacked. Its errors: those that match ErrBroken are about the
	// container and become an Invalid finding, others are ours.
	Reader io.Reader
	// Content gives the bytes in place of Reader where they lie in the container as they are.
	Content io.ReaderAt
	// Link is the target of a symbolic or hard link, which has no bytes.
	Link string
	// Directory is an entry without bytes that only makes a folder.
	Directory bool
	// Unread says in one sentence why the bytes cannot be had: encryption, an unknown method of compression. The entry
	// is reported as not looked into.
	Unread string
	// Format is what the container makes of the bytes, whatever they are called: "script" for what it runs as one. It
	// counts where neither bytes nor name say that a system runs or opens them.
	Format Format
	// Names says what the container calls the files inside this entry: the name in there, in lower case, to the file as
	// installed.
	Names map[string]Installed
}

// Installed is what becomes of a file that lies under another name in an inner container.
type Installed struct {
	Path   string
	Format Format // as in Entry
}

// ErrBroken marks errors of an Entry's Reader that are the container's fault: a checksum that does not fit, a stream
// that ends early. Wrap it: fmt.Errorf("...: %w", verify.ErrBroken).
var ErrBroken = brokenError{}

type brokenError struct{}

// Error implements error.
func (brokenError) Error() string { return "the container is broken" }

// Voucher is a Verifier for files that vouch for others of the same package by their digests, such as catalogues.
type Voucher interface {
	Verifier
	// Vouches returns what a trusted signature on an artifact that matches vouches for. It is asked only for files
	// inside containers, after Verify found them Valid.
	Vouches(context.Context, *Artifact, Env) ([]Vouch, error)
}

// Vouch is one file that another file vouches for.
type Vouch struct {
	// Digest is the name of the digest as in Digests.Taps, or "sha256" for the one over all bytes.
	Digest string
	// Sum is the digest's bytes.
	Sum []byte
	// Finding is what the file gets that has this digest; its Subject is filled in by the walk.
	Finding Finding
}

// Reviewer looks for what stands out in what the verifiers found. It vouches for nothing and refuses nothing: its
// findings are Untrusted, or Valid without a signer where they only describe.
type Reviewer interface {
	// Method returns the name that its findings use.
	Method() string
	// Review is called for each artifact, those inside containers too, with the verifiers' findings about it.
	Review(ctx context.Context, a *Artifact, found []Finding, env Env) (Remarks, error)
	// ReviewContents is called once for an artifact that was opened, with everything that is known about it.
	ReviewContents(ctx context.Context, a *Artifact, r *Report, env Env) ([]Finding, error)
}

// Remarks is what a Reviewer says of one artifact.
type Remarks struct {
	Findings []Finding
	// Facts are short texts for the report, about the artifact itself or in its list of files, and for ReviewContents:
	// "product", "version", "company", "imports".
	Facts map[string]string
	// Product, Version and System say what the artifact is; see Report.
	Product, Version, System string
}
