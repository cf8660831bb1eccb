package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation/ledger"
	"github.com/sallyport-project/sallyport/verify"
)

func newAuditWho(s *settings) *cobra.Command {
	var asJSON bool
	var limit int
	cmd := &cobra.Command{
		Use:   "who SHA256|FILE",
		Short: "List who asked for a file, or for an update that has it inside, who received it and what was decided about it",
		Long: `List who asked for a file, or for an update that has it inside: first which updates hold it, and under which path; then, the newest
first, every decision with its client and its rule, and every delivery with whether all of it was sent. Files inside updates are known as
far as records list them, which are the executables; of updates that went out all files are known as long as the history of the
state directory is there, a second or two after the decision. Where nothing asked for an update to be opened (contents, not_listed,
scan, …) nobody knows what was inside. Empty files are not found.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			digest, err := digestOf(args[0])
			if err != nil {
				return err
			}
			a, err := whoHas(cmd.Context(), dir, digest, limit, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			if len(a.records) == 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: the log has nothing about %s: no update with these bytes, and none that is known to have them inside\n", digest)
			}
			if asJSON {
				err = a.printJSON(cmd.OutOrStdout())
			} else {
				err = a.print(cmd.OutOrStdout())
			}
			a.noteWhatIsLeftOut(cmd.ErrOrStderr(), limit)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document a line; \"inside\" has the paths of the file in the record's update")
	cmd.Flags().IntVar(&limit, "limit", 1000, "at most so many records")
	return cmd
}

// maxAsked is about how many updates at most records are looked for.
const maxAsked = 1000

// noteWhatIsLeftOut says so where an answer may not be all: whoever is refused over and over is not to hide those who got it.
func (a *whoAnswer) noteWhatIsLeftOut(w io.Writer, limit int) {
	if len(a.records) == cmp.Or(limit, 100) {
		fmt.Fprintf(w, "sallyport: these are the newest %s; there may be more\n", count(len(a.records), "record"))
		fmt.Fprintln(w, "sallyport: hint: --limit N shows more")
	}
	if len(a.holders) > maxAsked {
		fmt.Fprintf(w, "sallyport: it is inside %d updates; records are shown of %d of them\n", len(a.holders), maxAsked)
		fmt.Fprintln(w, "sallyport: hint: `sallyport audit who` with the digest of an update shows those about it")
	}
}

// whoAnswer is who has had a file.
type whoAnswer struct {
	holders []audit.Holder // that have it inside
	names   map[verify.Digest]string
	records []audit.Record
	about   []verify.Digest // of each record: the update it is about, zero if that is not known
}

func whoHas(ctx context.Context, dir stateDir, digest verify.Digest, limit int, notes io.Writer) (whoAnswer, error) {
	a := whoAnswer{names: map[verify.Digest]string{}}
	var err error
	if a.holders, err = audit.Holders(ctx, dir.log(), digest); err != nil {
		return a, err
	}
	more, err := remembered(ctx, dir, digest)
	if err != nil {
		fmt.Fprintf(notes, "sallyport: only files that records list were looked for: %v\n", err)
	}
	a.merge(digest, more)
	artifacts := []verify.Digest{digest}
	for _, h := range a.holders[:min(len(a.holders), maxAsked)] {
		artifacts = append(artifacts, h.SHA256)
	}
	if a.records, err = audit.About(ctx, dir.log(), artifacts, limit); err != nil {
		return a, err
	}
	decided := map[string]verify.Digest{}
	for i := len(a.records) - 1; i >= 0; i-- {
		if r := a.records[i]; r.Artifact != nil {
			decided[r.ID] = r.Artifact.SHA256
			a.names[r.Artifact.SHA256] = r.Artifact.Name
		}
	}
	for _, r := range a.records {
		sum := decided[r.ID]
		if sum.IsZero() {
			sum = decided[r.Decides]
		}
		a.about = append(a.about, sum)
	}
	return a, nil
}

// remembered asks the history, which knows of every file in updates that went out.
func remembered(ctx context.Context, dir stateDir, digest verify.Digest) ([]ledger.Holder, error) {
	l, err := ledger.Open(string(dir), dir.log(), ledger.Options{ReadOnly: true})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no server has made one
	}
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Holders(ctx, digest)
}

// merge adds what the history knows to what the records list.
func (a *whoAnswer) merge(digest verify.Digest, more []ledger.Holder) {
	at := map[verify.Digest]int{}
	for i, h := range a.holders {
		at[h.SHA256] = i
	}
	for _, h := range more {
		if h.SHA256 == digest {
			continue
		}
		i, known := at[h.SHA256]
		if !known {
			i = len(a.holders)
			a.holders = append(a.holders, audit.Holder{SHA256: h.SHA256})
		}
		if known && len(a.holders[i].Paths)+a.holders[i].More >= len(h.Paths)+h.More {
			continue
		}
		a.holders[i].Paths, a.holders[i].More = h.Paths, h.More
	}
}

// inside returns under which paths the file is in the update that a record is about.
func (a *whoAnswer) inside(i int) audit.Holder {
	for _, h := range a.holders {
		if h.SHA256 == a.about[i] {
			return h
		}
	}
	return audit.Holder{}
}

func (a *whoAnswer) printJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for i, r := range a.records {
		line := struct {
			audit.Record
			Inside []string `json:"inside,omitempty"`
		}{r, a.inside(i).Paths}
		if err := enc.Encode(line); err != nil {
			return err
		}
	}
	return nil
}

func (a *whoAnswer) print(w io.Writer) error {
	for _, h := range a.holders {
		fmt.Fprintf(w, "inside %s (SHA-256 %s) as %s\n", orDash(printable.Text(a.names[h.SHA256], 80)), h.SHA256, paths(h, 5))
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i, r := range a.records {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s", r.Time.Local().Format(time.DateTime), r.ID, r.Kind, outcome(r), summary(r))
		if h := a.inside(i); len(h.Paths) > 0 {
			fmt.Fprintf(t, "\t(inside as %s)", paths(h, 1))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

// paths names up to most of the paths of a file in an update.
func paths(h audit.Holder, most int) string {
	var list []string
	for _, p := range h.Paths[:min(len(h.Paths), most)] {
		list = append(list, printable.Text(p, 200))
	}
	text := strings.Join(list, ", ")
	if left := len(h.Paths) - len(list) + h.More; left > 0 {
		text += fmt.Sprintf(" and %d more", left)
	}
	return text
}
