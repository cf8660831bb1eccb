// Command corpus judges real signed files that other people made, and prints our verdict beside that of the reference
// tool of their kind:
//
//	go run ./cmd/corpus -manifest FILE -samples DIR[,DIR...] [-fetch DIR] [-kind KIND] [-derive N] [-v]
//
// The manifest is a table of tab-separated columns: kind, file, sha256, size, source, signer_cn, issuer_cn, timestamped,
// verdict, notes; its first line names them. A sample is looked for under its file name below the directories, and
// counts only with its digest. What is missing is fetched with -fetch by the ordinary package clients. The reference
// tool is run where it is installed; otherwise the verdict counts that the manifest has of it.
//
// A sample that is accepted here and refused there, or the other way round, is a disagreement. Those that are meant so
// are listed in this command, with the reason and the chapter of verify/FORMATS.md that has it. With -derive, copies of
// each accepted sample with one changed byte are judged as well: they must be refused, or the byte must lie where that
// document says that no signature covers it. The exit code is 1 if there is a disagreement, or a copy, that nothing
// explains, and 2 if it could not be told.
//
// Run it in the root of the repository: the reference tools are given the embedded roots of -roots.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"
)

// options are the flags.
type options struct {
	manifest string
	samples  []string // directories
	fetch    string   // directory for what is missing; "" fetches nothing
	kind     string   // "" is all
	roots    string   // directory with codesigning.pem and timestamping.pem
	derive   int      // changed copies of each accepted sample
	at       time.Time
	verbose  bool
}

// errDisagreement says that the table has something in it that nothing explains.
var errDisagreement = errors.New("not everything is explained")

func main() {
	o, err := parseOptions(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, o, os.Stdout); {
	case errors.Is(err, errDisagreement):
		os.Exit(1)
	case err != nil:
		fmt.Fprintln(os.Stderr, "corpus:", err)
		os.Exit(2)
	}
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("corpus", flag.ContinueOnError)
	flags.StringVar(&o.manifest, "manifest", "", "`FILE` that lists the samples")
	dirs := flags.String("samples", "", "`DIR`s that hold them, separated by commas")
	flags.StringVar(&o.fetch, "fetch", "", "`DIR` to put what is missing in, fetched by npm, go and apt")
	flags.StringVar(&o.kind, "kind", "", "judge only samples of this `KIND`")
	flags.StringVar(&o.roots, "roots", "verify/internal/authenticode/roots", "`DIR` with the embedded roots, for the reference tools")
	flags.IntVar(&o.derive, "derive", 0, "judge also `N` copies of each accepted sample with one changed byte")
	at := flags.String("at", "", "`TIME` of our judgement, like 2026-11-22T15:04:05Z; now without it")
	flags.BoolVar(&o.verbose, "v", false, "print every finding and what the reference tools say")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.manifest == "" || flags.NArg() > 0 {
		return o, errors.New("usage: corpus -manifest FILE -samples DIR[,DIR...] [-fetch DIR] [-kind KIND] [-derive N] [-v]")
	}
	for dir := range strings.SplitSeq(*dirs, ",") {
		if dir != "" {
			o.samples = append(o.samples, dir)
		}
	}
	if o.at = time.Now(); *at != "" {
		var err error
		if o.at, err = time.Parse(time.RFC3339, *at); err != nil {
			return o, fmt.Errorf("-at: %w", err)
		}
	}
	return o, nil
}

// run judges the whole manifest and prints the tables.
func run(ctx context.Context, o options, w io.Writer) error {
	rows, err := readManifest(o.manifest)
	if err != nil {
		return err
	}
	store := &store{dirs: o.samples}
	if o.fetch != "" {
		store.dirs = append(store.dirs, o.fetch)
		fetchMissing(ctx, store, rows, o, os.Stderr)
	}
	s, err := newSession(ctx, o, rows, store)
	if err != nil {
		return err
	}
	defer s.close()
	t := &table{out: w, verbose: o.verbose}
	for _, r := range rows {
		if o.kind != "" && r.kind != o.kind {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		results, err := s.judge(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", r.file, err)
		}
		for _, result := range results {
			t.add(result)
		}
	}
	t.summary()
	if o.derive > 0 {
		d := &derivation{session: s, copies: o.derive, out: w}
		if err := d.all(ctx, t.results); err != nil {
			return err
		}
		t.unexplained += d.unexplained
	}
	if t.unexplained > 0 {
		return errDisagreement
	}
	return nil
}
