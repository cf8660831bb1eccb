package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify/trust"
)

func newTrust() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "trust", Short: "Look after the roots that Windows signatures must lead to", Args: cobra.ArbitraryArgs, RunE: group}
	s.addTo(cmd)
	cmd.AddCommand(newTrustShow(&s), newTrustUpdate(&s))
	return cmd
}

func newTrustShow(s *settings) *cobra.Command {
	var list, asJSON bool
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Say which sets of roots are in force, and from where",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, dir, err := s.load()
			if err != nil {
				return err
			}
			sets, err := c.Trust.or(dir).inForce()
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(sets)
			}
			return showSets(cmd.OutOrStdout(), sets, list)
		},
	}
	cmd.Flags().BoolVar(&list, "list", false, "list every root with its expiry and limits")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document")
	return cmd
}

func showSets(w io.Writer, sets []rootsInForce, list bool) error {
	for _, r := range sets {
		fmt.Fprintf(w, "%s: %s, %s\n  sha256:%s\n", r.Purpose, count(r.Roots, "root"), printable.Text(r.Source, 300), r.SHA256)
		if !r.Date.IsZero() {
			fmt.Fprintf(w, "  written %s\n", r.Date.Format(time.RFC3339))
		}
		for line := range strings.Lines(r.origin) {
			if taken, ok := strings.CutPrefix(line, "taken"); ok {
				fmt.Fprintf(w, "  taken %s\n", strings.TrimSpace(taken))
			}
		}
		if list {
			listRoots(w, r.set.Roots)
		}
	}
	return nil
}

func listRoots(w io.Writer, roots []trust.Root) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, r := range roots {
		fmt.Fprintf(t, "  %s\tuntil %s\t%.16s%s\n", orDash(r.Shown()), r.NotAfter.UTC().Format(time.DateOnly), r.SHA256, limitText(r))
	}
	t.Flush()
}

func limitText(r trust.Root) string {
	text := ""
	if !r.Limit.SignedBefore.IsZero() {
		text += "\tsigned before " + r.Limit.SignedBefore.UTC().Format(time.DateOnly) + " only"
	}
	if !r.Limit.IssuedBefore.IsZero() {
		text += "\tissued before " + r.Limit.IssuedBefore.UTC().Format(time.DateOnly) + " only"
	}
	return text
}

// trustFlags are the flags of `trust update`.
type trustFlags struct {
	codeSigning, timestamping, certificates []string
	authroot, out                           string
	dryRun                                  bool
}

func newTrustUpdate(s *settings) *cobra.Command {
	var f trustFlags
	cmd := &cobra.Command{
		Use:   "update",
		Short: "Put new sets of roots in the place of those in force",
		Long: `Put new sets of roots in the place of those in force, made from files: certificates as PEM, DER, PKCS #7 (.p7b) or a
serialized store (.sst); or Microsoft's list authroot.stl with the certificates that it names. The list has to be signed
under a root that is in force; what it restricts a root to is kept. Each set becomes just what is given for it; one for
which nothing is given stays.

What is added and removed is shown, and written to the log. The sets go into the state directory, where serve (at its
next start) and verify take them up, unless the configuration names others; or with --out into another folder. Where a
set is removed from the folder trust of the state directory, the built-in one is in force again.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd, s) },
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&f.codeSigning, "codesigning", nil, "`FILE` with roots for code signing; may be given several times")
	flags.StringArrayVar(&f.timestamping, "timestamping", nil, "`FILE` with roots for timestamping; may be given several times")
	flags.StringVar(&f.authroot, "authroot", "", "Microsoft's list of roots, authroot.stl, as `FILE`")
	flags.StringArrayVar(&f.certificates, "certificates", nil, "the certificates that the list names: a `FILE`, or a folder of which .crt, .cer, .der, .pem, .p7b and .sst are read")
	flags.StringVar(&f.out, "out", "", "`DIR` to write to instead of the state directory; nothing is written to the log")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only show what would change")
	return cmd
}

func (f *trustFlags) run(cmd *cobra.Command, s *settings) error {
	c, dir, err := s.load()
	if err != nil {
		return err
	}
	sets, err := c.Trust.or(dir).inForce()
	if err != nil {
		return err
	}
	newer, err := f.sets(sets[0].set)
	if err != nil {
		return err
	}
	changes := ""
	for i, set := range newer {
		if set != nil {
			changes += showDiff(cmd.OutOrStdout(), sets[i], *set)
			warnReplaced(cmd.ErrOrStderr(), sets[i], *set)
		}
	}
	switch {
	case f.dryRun:
		return nil
	case f.out != "":
		return writeSets(f.out, newer)
	}
	for i, configured := range []string{c.Trust.CodeSigning, c.Trust.Timestamping} {
		if newer[i] != nil && configured != "" {
			return advise(fmt.Errorf("the configuration names %s for %s: a set in the state directory would not count", configured, sets[i].Purpose),
				"write it elsewhere with --out DIR, or take the file out of the configuration")
		}
	}
	return s.owned(cmd, func(o *owner) error {
		// The record comes first: roots that nobody can read about never come into force.
		if _, err := o.append(audit.Record{Kind: audit.KindPolicy, Message: "roots replaced: " + strings.TrimSuffix(changes, "; ")}); err != nil {
			return fmt.Errorf("recording the roots: %w", err)
		}
		return writeSets(o.dir.trust(), newer)
	})
}

// sets returns the new sets for code signing and timestamping; nil where nothing is given for one.
func (f *trustFlags) sets(signers trust.Set) (out [2]*trust.Set, err error) {
	switch {
	case f.authroot == "" && len(f.codeSigning)+len(f.timestamping) == 0:
		return out, advise(errors.New("there is nothing to make a set of"), "give --codesigning FILE, --timestamping FILE, or --authroot FILE with --certificates DIR")
	case f.authroot == "" && len(f.certificates) > 0:
		return out, errors.New("--certificates goes with --authroot")
	case f.authroot != "" && len(f.certificates) == 0:
		return out, advise(errors.New("authroot.stl names certificates but does not hold them"), "give them with --certificates DIR")
	}
	if f.authroot != "" {
		if out, err = f.fromAuthroot(signers); err != nil {
			return out, err
		}
	}
	for i, files := range [][]string{f.codeSigning, f.timestamping} {
		for _, file := range files {
			if out[i] == nil {
				out[i] = &trust.Set{}
			}
			if err := addFile(out[i], file); err != nil {
				return out, err
			}
		}
		if out[i] != nil && len(out[i].Roots) == 0 {
			return out, fmt.Errorf("a set would be empty: no root for %s was found", [...]string{"code signing", "timestamping"}[i])
		}
	}
	return out, nil
}

func addFile(set *trust.Set, file string) error {
	ders, err := readCertificates(file)
	if err != nil {
		return err
	}
	for _, der := range ders {
		root, err := trust.NewRoot(der)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		set.Add(root)
	}
	return nil
}

func readCertificates(file string) ([][]byte, error) {
	data, err := readSmall(file, maxRootFile)
	if err != nil {
		return nil, err
	}
	ders, err := trust.ReadCertificates(data)
	if err == nil && len(ders) == 0 {
		err = errors.New("it holds no certificate")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return ders, nil
}

// certificateEndings are the names of files in a folder of certificates. Windows puts lists and cabinets beside them.
var certificateEndings = []string{".crt", ".cer", ".der", ".pem", ".p7b", ".sst"}

func (f *trustFlags) fromAuthroot(signers trust.Set) (out [2]*trust.Set, err error) {
	data, err := readSmall(f.authroot, maxRootFile)
	if err != nil {
		return out, err
	}
	list, err := trust.ReadAuthroot(data, signers, time.Now())
	if err != nil {
		return out, fmt.Errorf("%s: %w", f.authroot, err)
	}
	var certs [][]byte
	for _, name := range f.certificates {
		files := []string{name}
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			if files, err = filepath.Glob(filepath.Join(name, "*")); err != nil {
				return out, err
			}
			files = slices.DeleteFunc(files, func(f string) bool {
				return !slices.Contains(certificateEndings, strings.ToLower(filepath.Ext(f)))
			})
		}
		for _, file := range files {
			ders, err := readCertificates(file)
			if err != nil {
				return out, err
			}
			certs = append(certs, ders...)
		}
	}
	for i, p := range []trust.Purpose{trust.CodeSigning, trust.Timestamping} {
		set, missing, err := list.Select(certs, p)
		if err != nil {
			return out, fmt.Errorf("%s: %w", f.authroot, err)
		}
		if len(missing) > 0 {
			return out, advise(fmt.Errorf("%s names %s whose certificates were not given; the first is %s", f.authroot, count(len(missing), "root"), printable.Text(missing[0], 200)),
				"put the missing ones into the folder of --certificates")
		}
		out[i] = &set
	}
	return out, nil
}

// showDiff prints what a new set changes, and returns it in short.
func showDiff(w io.Writer, old rootsInForce, newer trust.Set) string {
	added, removed, changed := old.set.Diff(newer)
	summary := fmt.Sprintf("%s: %s, %d added, %d removed, %d with other limits; ", old.Purpose, count(len(newer.Roots), "root"), len(added), len(removed), len(changed))
	fmt.Fprintln(w, strings.TrimSuffix(summary, "; "))
	showMarked(w, "+", added)
	showMarked(w, "-", removed)
	showMarked(w, "~", changed)
	return summary
}

// warnReplaced speaks up where nothing stays of a set: whoever wanted to add a root has replaced all others.
func warnReplaced(w io.Writer, old rootsInForce, newer trust.Set) {
	if _, removed, _ := old.set.Diff(newer); len(removed) > 0 && len(removed) == len(old.set.Roots) {
		fmt.Fprintf(w, "sallyport: none of the %s for %s stays; a root for one publisher belongs into an anchor of the policy (roots)\n", count(len(removed), "root"), old.Purpose)
	}
}

func showMarked(w io.Writer, mark string, roots []trust.Root) {
	for _, r := range roots {
		fmt.Fprintf(w, "%s %s (until %s, sha256 %s)%s\n", mark, orDash(r.Shown()), r.NotAfter.UTC().Format(time.DateOnly), r.SHA256, limitText(r))
	}
}

// writeSets writes each new set into a folder, whole or not at all.
func writeSets(dir string, newer [2]*trust.Set) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("writing roots: %w", err)
	}
	for i, name := range []string{codeSigningSet, timestampingSet} {
		if newer[i] == nil {
			continue
		}
		head := fmt.Sprintf("%s, written %s by sallyport trust update", count(len(newer[i].Roots), "root"), time.Now().UTC().Format(time.RFC3339))
		if err := durable.WriteFile(filepath.Join(dir, name), newer[i].Marshal(head), 0o600); err != nil {
			return err
		}
	}
	return nil
}
