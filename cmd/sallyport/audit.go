package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/durable"
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify"
)

func newAudit() *cobra.Command {
	var s settings
	cmd := &cobra.Command{Use: "audit", Short: "Read the audit log and prove that it is whole", Args: cobra.ArbitraryArgs, RunE: group}
	s.addTo(cmd)
	cmd.AddCommand(newAuditList(&s), newAuditShow(&s), newAuditVerify(&s), newAuditExport(&s), newAuditWho(&s), newAuditCheckpoint(&s), newAuditRecall(&s))
	return cmd
}

// What --kind and --action can be.
var (
	recordKinds     = []string{"decision", "delivery", "release", "reject", "policy", "tunnel", "ca", "learn", "recall", "regret", "approval", "start", "stop"}
	decisionActions = []string{"allow", "quarantine", "block"}
)

// filterFlags are the flags that choose records.
type filterFlags struct {
	kind, action, channel, since, until, sha256, name, client, before string
	limit                                                             int
}

func (f *filterFlags) addTo(cmd *cobra.Command, limit int, limitHelp string) {
	flags := cmd.Flags()
	flags.StringVar(&f.kind, "kind", "", "only records of this `KIND`: decision, delivery, release, reject, policy, tunnel, ca, learn, recall, regret, approval, start or stop")
	flags.StringVar(&f.action, "action", "", "only decisions with this `ACTION`: allow, quarantine or block")
	flags.StringVar(&f.channel, "channel", "", "only records of this channel")
	flags.StringVar(&f.since, "since", "", "not before this `TIME`, or how long ago, like 24h or 7d")
	flags.StringVar(&f.until, "until", "", "before this `TIME`")
	flags.StringVar(&f.sha256, "sha256", "", "only records about this artifact")
	flags.StringVar(&f.name, "name", "", "only records about artifacts with this in their name")
	flags.StringVar(&f.client, "client", "", "only records about this client: its address or user")
	flags.StringVar(&f.before, "before", "", "only what stands in the log before the record with this `ID`")
	flags.IntVar(&f.limit, "limit", limit, limitHelp)
	cmd.RegisterFlagCompletionFunc("kind", cobra.FixedCompletions(recordKinds, cobra.ShellCompDirectiveNoFileComp))
	cmd.RegisterFlagCompletionFunc("action", cobra.FixedCompletions(decisionActions, cobra.ShellCompDirectiveNoFileComp))
}

func (f *filterFlags) filter(now time.Time) (audit.Filter, error) {
	out := audit.Filter{
		Kind: audit.Kind(f.kind), Action: f.action, Channel: f.channel, Name: f.name, Client: f.client, Before: f.before, Limit: f.limit,
	}
	if f.kind != "" && !slices.Contains(recordKinds, f.kind) {
		return out, fmt.Errorf("--kind: %w", oneOf(f.kind, recordKinds...))
	}
	if f.action != "" && !slices.Contains(decisionActions, f.action) {
		return out, fmt.Errorf("--action: %w", oneOf(f.action, decisionActions...))
	}
	var err error
	if f.since != "" {
		if out.Since, err = parseSince(f.since, now); err != nil {
			return out, fmt.Errorf("--since: %w", err)
		}
	}
	if f.until != "" {
		if out.Until, err = parseSince(f.until, now); err != nil {
			return out, fmt.Errorf("--until: %w", err)
		}
	}
	if f.sha256 != "" {
		if out.SHA256, err = verify.ParseDigest(f.sha256); err != nil {
			return out, fmt.Errorf("--sha256: %w", err)
		}
	}
	return out, nil
}

func newAuditList(s *settings) *cobra.Command {
	var f filterFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List records, the newest first",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			filter, err := f.filter(time.Now())
			if err != nil {
				return err
			}
			records, err := audit.List(cmd.Context(), dir.log(), filter)
			if err != nil {
				return err
			}
			return listRecords(cmd.OutOrStdout(), records, asJSON)
		},
	}
	f.addTo(cmd, 100, "at most so many records")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON document a line")
	return cmd
}

func newAuditShow(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one record with all it says",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			rec, err := showRecord(cmd.Context(), dir, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), rec)
			}
			printRecord(cmd.OutOrStdout(), rec)
			printAccesses(cmd.Context(), cmd.OutOrStdout(), dir, rec)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func showRecord(ctx context.Context, dir stateDir, id string) (audit.Record, error) {
	if id == "" {
		return audit.Record{}, errors.New("an empty id names no record")
	}
	rec, err := audit.Show(ctx, dir.log(), id)
	if errors.Is(err, audit.ErrNotFound) {
		return rec, advise(fmt.Errorf("the log has no record %s", printable.Text(id, 100)), "`sallyport audit list` shows the newest ones")
	}
	return rec, err
}

func newAuditVerify(s *settings) *cobra.Command {
	var checkpoint, key string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that the log is what was signed",
		Long: `Read the whole log and compare it with everything that its key has signed. Against a checkpoint that was kept
elsewhere it also proves that nobody with the key has rewritten the log since then. The exit code is 1 if the log is broken.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			o := audit.VerifyOptions{Key: key}
			if checkpoint != "" {
				if o.Checkpoint, err = readSmall(checkpoint, 64<<10); err != nil {
					return fmt.Errorf("reading the checkpoint: %w", err)
				}
			}
			bar := newProgress(cmd.ErrOrStderr(), "verifying the log")
			o.Progress = bar.update
			v, err := audit.Verify(cmd.Context(), dir.log(), o)
			bar.end()
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), v)
			} else {
				err = showVerification(cmd.OutOrStdout(), v)
			}
			if err == nil && !v.OK() {
				err = &refusal{"the log is broken"}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&checkpoint, "checkpoint", "", "`FILE` with a checkpoint of this log that was kept elsewhere")
	cmd.Flags().StringVar(&key, "key", "", "the log's verifier key, as key.pub beside the log has it, kept elsewhere")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagFilename("checkpoint")
	return cmd
}

func showVerification(w io.Writer, v audit.Verification) error {
	for _, p := range v.Problems {
		fmt.Fprintf(w, "broken: %s\n", printable.Text(p.String(), 1000))
	}
	for _, text := range v.Warnings {
		fmt.Fprintf(w, "note: %s\n", printable.Text(text, 1000))
	}
	if v.Pending > 0 {
		fmt.Fprintf(w, "note: %d bytes behind the last checkpoint are being written, or were when the machine died\n", v.Pending)
	}
	if v.Deleted > 0 {
		fmt.Fprintf(w, "note: %d personal values were deleted\n", v.Deleted)
	}
	if v.Extends != nil {
		fmt.Fprintf(w, "the log extends the given checkpoint of %d records\n", *v.Extends)
	}
	sound := "sound"
	if !v.OK() {
		sound = "sound up to there"
	}
	_, err := fmt.Fprintf(w, "%s: %d records under %d checkpoints of %s, root %s\n", sound, v.Records, v.Checkpoints, printable.Text(v.Key, 200), v.Root)
	return err
}

func newAuditExport(s *settings) *cobra.Command {
	var f filterFlags
	var format string
	cmd := &cobra.Command{
		Use:   "export --format jsonl|csv",
		Short: "Print records for other programs, the oldest first; decisions, unless --kind says otherwise",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if format != audit.FormatJSONL && format != audit.FormatCSV {
				return fmt.Errorf("--format: %w", oneOf(format, audit.FormatJSONL, audit.FormatCSV))
			}
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			filter, err := f.filter(time.Now())
			if err != nil {
				return err
			}
			return audit.Export(cmd.Context(), dir.log(), cmd.OutOrStdout(), format, filter)
		},
	}
	f.addTo(cmd, 0, "at most so many records; 0 for all")
	cmd.Flags().StringVar(&format, "format", audit.FormatJSONL, "jsonl or csv")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{audit.FormatJSONL, audit.FormatCSV}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// digestOf takes an argument for a digest if it is one, else for a file.
func digestOf(arg string) (verify.Digest, error) {
	if d, err := verify.ParseDigest(arg); err == nil {
		return d, nil
	}
	f, err := os.Open(arg)
	if err != nil {
		return verify.Digest{}, advise(fmt.Errorf("%s is neither a SHA-256 digest nor a file that can be read: %w", printable.Text(arg, 100), err),
			"a digest has 64 hexadecimal digits")
	}
	defer f.Close()
	digest, _, err := hashFile(f)
	return digest, err
}

func newAuditCheckpoint(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoint [FILE]",
		Short: "Print the newest signed checkpoint, to be kept elsewhere",
		Long: `Print the newest signed checkpoint of the log, or put it into FILE in place of what is there. Kept where whoever can
change the log cannot reach it, it is what "audit verify --checkpoint" later proves the log's past with.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			signed, err := readSmall(filepath.Join(dir.log(), "checkpoint"), 64<<10)
			if err != nil {
				return fmt.Errorf("reading the checkpoint: %w", err)
			}
			if len(args) == 1 {
				return durable.WriteFile(args[0], signed, 0o644)
			}
			_, err = cmd.OutOrStdout().Write(signed)
			return err
		},
	}
}
