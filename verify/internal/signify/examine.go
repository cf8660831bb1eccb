package signify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/beside"
)

// System is one of the two programs whose signatures are looked for beside an artifact.
type System struct {
	Name     string   // "minisign" or "signify"; method of the findings
	Suffixes []string // of the signature's name, in the order in which they are tried
}

// Examine verifies the signatures beside an artifact. It returns nothing where no anchor has a key of the system, or
// where there are no sidecars at all.
func (s System) Examine(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	holders, err := Holders(env.Trust, s.Name)
	place, ok := beside.Of(a)
	if err != nil || len(holders) == 0 || !ok || !verify.HasSidecars(env.Sidecars) {
		return nil, err
	}
	x := &examination{System: s, place: place, holders: holders}
	budget := beside.NewBudget(env.Sidecars, len(s.Suffixes), int64(len(s.Suffixes))*MaxFile)
	for _, suffix := range s.Suffixes {
		got, found, err := budget.Fetch(ctx, place.Ref(suffix), MaxFile)
		if err != nil {
			return nil, err
		}
		if found {
			x.add(got)
		}
	}
	if len(x.checks) > 0 {
		if err := beside.Copy(ctx, x.writer(), a); err != nil {
			return nil, err
		}
	}
	return x.verdicts(budget), nil
}

// examination is the signatures of one artifact.
type examination struct {
	System
	place    beside.Place
	holders  []Holder
	checks   []candidate
	findings []verify.Finding
}

// candidate is a signature under one key that has its id.
type candidate struct {
	*Check
	by   Holder
	from beside.Sidecar
}

func (x *examination) finding(from beside.Sidecar, status verify.Status, code, format string, args ...any) *verify.Finding {
	x.findings = append(x.findings, verify.Finding{
		Method: x.Name, Status: status, Code: x.Name + "/" + code, Detail: fmt.Sprintf(format, args...),
		Evidence: []verify.Reference{from.Reference()},
	})
	return &x.findings[len(x.findings)-1]
}

// add reads what was found beside the artifact. Files that are no signatures of the system are passed over: the ending
// .sig is used by many.
func (x *examination) add(from beside.Sidecar) {
	sig, err := Parse(from.Data)
	if errors.Is(err, ErrOther) || err == nil && sig.Message != nil {
		return
	}
	if err == nil && sig.Minisign != (x.Name == "minisign") {
		if x.Name == "signify" {
			return
		}
		err = errors.New("it has no trusted comment")
	}
	if err == nil && sig.Prehashed && !sig.Minisign {
		err = errors.New("signify makes no signatures over a digest")
	}
	if err != nil {
		x.finding(from, verify.Invalid, "malformed", "%s is a broken signature: %s.", from.Ref, err)
		return
	}
	known := WithID(x.holders, sig.ID)
	if len(known) == 0 {
		x.finding(from, verify.Untrusted, "unknown-key", "%s is a signature by the key %s, which no anchor has.", from.Ref, sig.ID)
	}
	for _, h := range known {
		x.checks = append(x.checks, candidate{NewCheck(sig, h.Key), h, from})
	}
}

func (x *examination) writer() io.Writer {
	var all []io.Writer
	for _, c := range x.checks {
		all = append(all, c)
	}
	return io.MultiWriter(all...)
}

// verdicts judges what was written to every candidate. Ids collide: of several keys with the id that a signature
// names, one that it fits is enough.
func (x *examination) verdicts(budget *beside.Budget) []verify.Finding {
	good := map[string]bool{}
	for _, c := range x.checks {
		if c.Err() == nil {
			good[c.from.Ref] = true
			x.vouch(c)
		}
	}
	for _, c := range x.checks {
		if !good[c.from.Ref] {
			good[c.from.Ref] = true
			x.finding(c.from, verify.Invalid, "bad-signature", "%s names the key %s of %s, but %s.", c.from.Ref, c.by.Key.ID,
				strings.Join(c.by.Anchors, ", "), c.Err())
		}
	}
	add := func(status verify.Status, code, detail string) {
		x.findings = append(x.findings, verify.Finding{Method: x.Name, Status: status, Code: x.Name + "/" + code, Detail: detail})
	}
	if missing := budget.Missing(); len(missing) > 0 && len(good) == 0 {
		add(verify.Inconclusive, "unavailable", "It could not be told whether there is a signature: "+strings.Join(missing, "; ")+".")
	}
	if len(x.findings) == 0 && !budget.None() {
		add(verify.Absent, "unsigned", fmt.Sprintf("No %s signature lies beside the file.", x.Name))
	}
	return x.findings
}

// vouch reports a signature that fits. The name that a minisign signer wrote into the trusted comment must be the one
// under which the file is offered: otherwise another signed file could be put in its place.
func (x *examination) vouch(c candidate) {
	fields := c.sig.Fields()
	if !c.sig.Names(x.place.Name) {
		x.finding(c.from, verify.Invalid, "wrong-file", "%s is a good signature by the key %s, but of a file called %.100q, not %.100q.",
			c.from.Ref, c.key.ID, fields.File, x.place.Name)
		return
	}
	how := "the whole file"
	if c.sig.Prehashed {
		how = "the BLAKE2b-512 digest of the whole file"
	}
	f := x.finding(c.from, verify.Valid, "valid", "%s is a signature by the key %s over %s", c.from.Ref, c.key.ID, how)
	f.Anchors, f.Signer = c.by.Anchors, c.by.Identity(x.Name)
	if c.sig.Minisign && !fields.HasFile {
		f.Detail += ", and says nothing of the file's name"
	}
	if !fields.Time.IsZero() {
		f.Detail += fmt.Sprintf("; its maker claims to have signed at %s", fields.Time.Format(time.RFC3339))
	}
	f.Detail += "."
}
