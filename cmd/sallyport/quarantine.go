package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/proxy/quarantine"
	"github.com/sallyport-project/sallyport/verify"
)

func newQuarantine() *cobra.Command {
	var s settings
	cmd := &cobra.Command{
		Use: "quarantine", Short: "Look at what was held back, let it through or throw it away",
		Long: `Look at what was held back, let it through or throw it away. An ID is the first digits of an item's SHA-256, as
"quarantine list" shows them, or the id of a record, which the refusal told the client.`,
		Args: cobra.ArbitraryArgs, RunE: group,
	}
	s.addTo(cmd)
	cmd.AddCommand(newQuarantineList(&s), newQuarantineShow(&s), newQuarantineRelease(&s), newQuarantineReject(&s), newQuarantineExport(&s),
		newQuarantineApprovals(&s), newQuarantineApprove(&s))
	return cmd
}

func newQuarantineList(s *settings) *cobra.Command {
	var asJSON, all, releases bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List what is in quarantine, the latest first",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.operate(cmd, func(o operator) error {
				if releases {
					return listStanding(cmd, o, asJSON)
				}
				if err := warnBreakGlass(cmd.Context(), cmd.ErrOrStderr(), o, verify.Digest{}); err != nil {
					return err
				}
				entries, err := o.List(cmd.Context(), all)
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), notNil(entries))
				}
				if len(entries) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: nothing is in quarantine")
				}
				return listItems(cmd.OutOrStdout(), entries, all)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&all, "all", false, "list released items too")
	cmd.Flags().BoolVar(&releases, "releases", false, "list the releases by hand that are in force, and when they end")
	return cmd
}

func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func listItems(w io.Writer, entries []quarantine.Entry, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, e := range entries {
		channel := e.Scope
		if channel == "" {
			channel = "-"
		}
		if all {
			fmt.Fprintf(t, "%s\t", e.State)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", e.ID, e.Time.Local().Format(time.DateTime), byteSize(e.Size),
			printable.Text(string(e.Origin.Format), 12), printable.Text(channel, 40), printable.Text(e.Origin.Name, 80))
	}
	return t.Flush()
}

func newQuarantineShow(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show where an item came from and why it was held back",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			return s.operate(cmd, func(o operator) error {
				entries, err := o.Show(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), entries)
				}
				if err := warnBreakGlass(cmd.Context(), cmd.ErrOrStderr(), o, entries[0].SHA256); err != nil {
					return err
				}
				return showItem(cmd, dir, entries)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// showItem prints an item and the records that say why it is where it is.
func showItem(cmd *cobra.Command, dir stateDir, entries []quarantine.Entry) error {
	w := cmd.OutOrStdout()
	for i, e := range entries {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s on %s since %s\n", e.State, channelName(e.Scope), e.Time.Local().Format(time.DateTime))
		fmt.Fprintf(w, "  sha256  %s\n  size    %d (%s)\n", e.SHA256, e.Size, byteSize(e.Size))
		fmt.Fprintf(w, "  name    %s\n  url     %s\n", printable.Text(e.Origin.Name, 200), printable.Text(e.Origin.URL, 1000))
		rec, err := showRecord(cmd.Context(), dir, e.Record)
		if err != nil {
			fmt.Fprintf(w, "  record  %s\n", printable.Text(e.Record, 100))
			continue
		}
		printRecord(w, rec)
	}
	return nil
}

func newQuarantineRelease(s *settings) *cobra.Command {
	var order console.Order
	var until, channel string
	var who credentialFlags
	cmd := &cobra.Command{
		Use:   "release ID --reason TEXT",
		Short: "Let an item through by hand, on the channel that held it back",
		Long: `Let an item through by hand, on the channel that held it back. Where the policy's section approval asks for several people, the
first one asks for it by this command, and each of the others agrees by "quarantine approve".

With --break-glass it is a release in an emergency: what the policy asks for then (approval.break_glass) counts, it always ends (within
a day, if nothing else is said), and it is told of in the log, on the metrics and as an alert. It overrides neither deny rules nor recalls.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if until != "" {
				var err error
				if order.Until, err = parseTime(until); err != nil {
					return fmt.Errorf("--until: %w", err)
				}
			}
			if order.Reason != "" {
				var err error
				if order.As, err = who.read(cmd); err != nil {
					return err
				}
			}
			return s.give(cmd, order, args[0], channel, operator.Release, func(d console.Done) { sayReleased(cmd, d) })
		},
	}
	addOrderFlags(cmd, &order, &channel)
	who.addTo(cmd)
	cmd.Flags().BoolVar(&order.BreakGlass, "break-glass", false, "release it in an emergency")
	cmd.Flags().StringVar(&until, "until", "", "when the release ends, like 2026-12-31 or 2026-12-31T12:00:00Z; without it never, or as late as the policy allows")
	return cmd
}

func newQuarantineReject(s *settings) *cobra.Command {
	var order console.Order
	var channel string
	cmd := &cobra.Command{
		Use:   "reject ID --reason TEXT",
		Short: "Throw an item away, and take back its release if it has one",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.give(cmd, order, args[0], channel, operator.Reject, func(d console.Done) {
				fmt.Fprintf(cmd.OutOrStdout(), "rejected %s on %s, record %s\n", itemName(d), channelName(d.Scope), d.Record)
			})
		},
	}
	addOrderFlags(cmd, &order, &channel)
	return cmd
}

func addOrderFlags(cmd *cobra.Command, order *console.Order, channel *string) {
	cmd.Flags().StringVar(&order.Reason, "reason", "", "why; it goes into the log (required)")
	cmd.Flags().StringVar(channel, "channel", "", `which channel is meant, where the item is held on several ("" for none)`)
}

// give completes an order, gives it and says what became of it.
func (s *settings) give(cmd *cobra.Command, order console.Order, id, channel string,
	do func(operator, context.Context, console.Order) (console.Done, error), say func(console.Done)) error {
	if order.Reason == "" {
		return advise(fmt.Errorf("a reason is needed: it is what the log will tell those who ask later"), `--reason "why"`)
	}
	order.ID, order.By = id, whoami()
	if cmd.Flags().Changed("channel") {
		order.Scope = &channel
	}
	return s.operate(cmd, func(o operator) error {
		done, err := do(o, cmd.Context(), order)
		if err == nil {
			say(done)
		}
		return err
	})
}

func newQuarantineExport(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "export ID FILE",
		Short: "Copy the bytes of an item into a file",
		Long: `Copy the bytes of an item into a file, which must not exist yet. They are as the origin sent them: look at them on a
machine that you can lose.`,
		Args: exactly(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.operate(cmd, func(o operator) error {
				return writeNew(args[1], func(w io.Writer) error { return o.Export(cmd.Context(), args[0], w) })
			})
		},
	}
}

// writeNew makes a file that only its owner can read, and removes it again if it cannot be written as a whole.
func writeNew(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if os.IsExist(err) {
		return advise(err, "choose another name, or remove the file first")
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(filepath.Clean(path))
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
