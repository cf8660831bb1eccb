package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
)

func newPolicyReplay() *cobra.Command {
	var s settings
	var since, until string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "replay FILE",
		Short: "Say what a policy would have decided otherwise",
		Long: `Judge every recorded decision again by the policy in FILE, as of the record's time, from the report and the circumstances that
were kept, and say what would have been refused, let through, or not looked at any more. Nothing is fetched or verified again: what
FILE asks that nobody had asked then (new keys, feeds, scanners) is said to be open where it matters, and never counts as let
through. It may be done beside a running server.

The exit code is 1 if FILE would have let through what was refused, or not have looked at what was let through.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			o := replay.Options{Log: dir.log(), Examples: limit}
			if o.Since, o.Until, err = period(since, until, time.Now()); err != nil {
				return err
			}
			if o.Policy, err = loadPolicy(args[0]); err != nil {
				return err
			}
			if o.Reports, err = audit.ReadReports(dir.reports()); err != nil {
				return err
			}
			defer o.Reports.Close()
			debug.SetGCPercent(300) // most of what is read is thrown away at once
			bar := newProgress(cmd.ErrOrStderr(), "judging again")
			o.Progress = bar.update
			result, err := replay.Run(cmd.Context(), o)
			bar.end()
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(cmd.OutOrStdout(), result)
			} else {
				err = showReplay(cmd.OutOrStdout(), args[0], result)
			}
			if err == nil && result.Loosens() {
				return &refusal{fmt.Sprintf("%s would let through, or not look at, what was refused or looked at: see above", printable.Text(args[0], 200))}
			}
			return err
		},
	}
	s.addTo(cmd)
	cmd.Flags().StringVar(&since, "since", "", "not before this `TIME`, or how long ago, like 24h or 7d")
	cmd.Flags().StringVar(&until, "until", "", "before this `TIME`, or how long ago")
	cmd.Flags().IntVar(&limit, "limit", 3, "how many examples of each kind")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// period reads --since and --until.
func period(since, until string, now time.Time) (from, to time.Time, err error) {
	if since != "" {
		if from, err = parseSince(since, now); err != nil {
			return from, to, fmt.Errorf("--since: %w", err)
		}
	}
	if until != "" {
		if to, err = parseSince(until, now); err != nil {
			return from, to, fmt.Errorf("--until: %w", err)
		}
	}
	return from, to, nil
}

// showReplay prints a result for a person.
func showReplay(w io.Writer, file string, r *replay.Result) error {
	if r.Decisions == 0 {
		fmt.Fprintf(w, "no decision is recorded for that time\n")
	} else {
		fmt.Fprintf(w, "%s, %s to %s, judged again by %s (%s)\n", counted(r.Decisions, "decision"), r.First.Local().Format(time.DateTime),
			r.Last.Local().Format(time.DateTime), printable.Text(file, 200), r.Policy)
		fmt.Fprintf(w, "  as before           %8d", r.Same)
		if r.Otherwise > 0 {
			fmt.Fprintf(w, "   (%d of them refused otherwise: blocked instead of quarantined, or the other way round)", r.Otherwise)
		}
		fmt.Fprintf(w, "\n  newly refused       %8d\n  newly allowed       %8d\n  no longer looked at %8d\n  cannot be told      %8d\n",
			r.Counts.Refused, r.Counts.Allowed, r.Counts.Unseen, r.Counts.Open)
	}
	showGroups(w, "newly refused", r.Refused)
	showGroups(w, "NEWLY ALLOWED", r.Allowed)
	showGroups(w, "NO LONGER LOOKED AT", r.Unseen)
	showGroups(w, "cannot be told", r.Open)
	showTunnels(w, r.Tunnels)
	if r.Altered > 0 {
		fmt.Fprintf(w, "\nsomebody has changed the personal values of %s: `sallyport audit verify` says where\n", counted(r.Altered, "decision"))
	}
	if r.Unreadable > 0 {
		fmt.Fprintf(w, "\n%s of the log cannot be read: `sallyport audit verify` says where\n", counted(r.Unreadable, "line"))
	}
	_, err := fmt.Fprint(w)
	return err
}

func showGroups(w io.Writer, what string, groups []replay.Group) {
	for _, g := range groups {
		channel := channelName(g.Channel)
		fmt.Fprintf(w, "\n%s: %d on %s", what, g.Count, channel)
		switch {
		case g.Why != "":
			fmt.Fprintf(w, ": %s\n", printable.Text(g.Why, 500))
		default:
			fmt.Fprintf(w, ", by %s, before by %s\n", printable.Text(g.Now, 160), printable.Text(g.Before, 160))
		}
		for _, e := range g.Examples {
			fmt.Fprintf(w, "  %s  %s  %s\n", printable.Text(e.Record, 60), e.Time.Local().Format(time.DateTime), printable.Text(e.Name, 100))
			if e.URL != "" {
				fmt.Fprintf(w, "    %s\n", printable.Text(e.URL, 300))
			}
			showRuling(w, "was", e.Before)
			if g.Why == "" {
				showRuling(w, "now", e.Now)
			}
		}
	}
}

func showRuling(w io.Writer, when string, r replay.Ruling) {
	observed := ""
	if r.Observed {
		observed = ", only observed"
	}
	why := ""
	if len(r.Reasons) > 0 {
		why = ": " + printable.Text(r.Reasons[0], 300)
	}
	fmt.Fprintf(w, "    %s %s%s%s\n", when, r.Action, observed, why)
}

func showTunnels(w io.Writer, t replay.Tunnels) {
	if t.Inspected+t.Denied == 0 {
		return
	}
	fmt.Fprintf(w, "\nof %s that were passed through unseen %d would be looked at, with an outcome that is not known, and %d refused:\n",
		counted(t.Connections, "connection"), t.Inspected, t.Denied)
	for _, h := range t.Hosts[:min(len(t.Hosts), 20)] {
		fmt.Fprintf(w, "  %-8s %6d  %s\n", h.Now, h.Connections, printable.Text(h.Host, 200))
	}
}

// counted is count for large numbers.
func counted(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
