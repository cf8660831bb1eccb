package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/console"
	"github.com/sallyport-project/sallyport/verify"
)

func newQuarantineApprovals(s *settings) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: "List what waits for more people to agree",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.operate(cmd, func(o operator) error {
				list, err := o.Waiting(cmd.Context())
				if err != nil {
					return err
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), notNil(list))
				}
				if len(list) == 0 {
					fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: nothing waits for anybody to agree")
				}
				for _, a := range list {
					showAsked(cmd.OutOrStdout(), a)
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// showAsked says exactly what somebody asks for.
func showAsked(w io.Writer, a console.Asked) {
	p := paragraph{w}
	fmt.Fprintf(w, "%s  %s, %d of %d, until %s\n", a.Request, a.Action, len(a.By), a.People, a.Ends.Local().Format(time.DateTime))
	p.line("by", "%s", printable.Text(strings.Join(a.By, ", "), 300))
	if a.Policy.IsZero() {
		p.line("of", "%s, sha256 %s, on %s, %s", orDash(printable.Text(a.Name, 120)), a.SHA256, channelName(a.Scope), endOf(a.Until))
	} else {
		p.line("of", "a policy, sha256 %s", a.Policy)
	}
	p.text("reason", a.Reason)
}

// endOf says when a release ends.
func endOf(t time.Time) string {
	if t.IsZero() {
		return "for ever"
	}
	return "until " + t.Local().Format(time.RFC3339)
}

func newQuarantineApprove(s *settings) *cobra.Command {
	var who credentialFlags
	cmd := &cobra.Command{
		Use:   "approve REQUEST --as NAME",
		Short: "Agree to a release that another person has asked for",
		Long: `Agree to a release that another person has asked for, as "quarantine approvals" lists it: exactly that file, on exactly
that channel, until exactly then. It is carried out when as many different people have agreed as the policy asks for.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return s.operate(cmd, func(o operator) error {
				if err := showRequest(cmd, o, args[0]); err != nil {
					return err
				}
				credential, err := who.read(cmd)
				if err == nil && credential == nil {
					err = advise(errors.New("it has to be clear who agrees"), "--as NAME")
				}
				if err != nil {
					return err
				}
				done, err := o.Approve(cmd.Context(), args[0], *credential)
				if done.Record != "" || done.Asked != nil {
					sayReleased(cmd, done)
				}
				return err
			})
		},
	}
	who.addTo(cmd)
	return cmd
}

// showRequest shows on standard error what is about to be agreed to.
func showRequest(cmd *cobra.Command, o operator, request string) error {
	list, err := o.Waiting(cmd.Context())
	if err != nil {
		return err
	}
	for _, a := range list {
		if a.Request == request {
			showAsked(cmd.ErrOrStderr(), a)
		}
	}
	return nil
}

// sayReleased says what became of a release.
func sayReleased(cmd *cobra.Command, d console.Done) {
	w := cmd.OutOrStdout()
	if a := d.Asked; a != nil {
		fmt.Fprintf(w, "nothing is released yet: %d of %d have agreed to %s on %s, %s; request %s\n",
			len(a.By), a.People, itemName(d), channelName(d.Scope), endOf(d.Until), a.Request)
		fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: hint: another person agrees by `sallyport quarantine approve %s --as NAME`, before %s\n", a.Request, a.Ends.Local().Format(time.DateTime))
		return
	}
	how := "released"
	if d.BreakGlass {
		how = "BREAK GLASS: released"
	}
	agreed := ""
	if len(d.Approvers) > 0 {
		agreed = ", agreed by " + printable.Text(strings.Join(d.Approvers, ", "), 300)
	}
	end := ""
	if !d.Until.IsZero() {
		end = ", " + endOf(d.Until)
	}
	fmt.Fprintf(w, "%s %s on %s, record %s%s%s\n", how, itemName(d), channelName(d.Scope), d.Record, end, agreed)
	if !d.Held {
		fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: its bytes are not in the vault; the next download of it is let through")
	}
}

// listStanding prints the releases by hand that are in force.
func listStanding(cmd *cobra.Command, o operator, asJSON bool) error {
	list, err := o.Standing(cmd.Context())
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), notNil(list))
	}
	if len(list) == 0 {
		fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: no release by hand is in force")
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, l := range list {
		how := "release"
		if l.BreakGlass {
			how = "BREAK-GLASS"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", how, endOf(l.Until), l.SHA256.String()[:16], channelName(l.Scope), printable.Text(l.By, 40),
			orDash(printable.Text(l.Name, 60)), printable.Text(l.Reason, 80))
	}
	return t.Flush()
}

// warnBreakGlass says on standard error what is let through in an emergency.
func warnBreakGlass(ctx context.Context, w io.Writer, o operator, of verify.Digest) error {
	list, err := o.Standing(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.BreakGlass && (of.IsZero() || l.SHA256 == of) {
			fmt.Fprintf(w, "sallyport: BREAK GLASS in force %s: %s (%s) on %s, by %s, agreed by %s: %s (record %s)\n", endOf(l.Until), orDash(printable.Text(l.Name, 100)),
				l.SHA256, channelName(l.Scope), printable.Text(l.By, 60), orDash(printable.Text(strings.Join(l.Approvers, ", "), 200)), printable.Text(l.Reason, 200), l.Record)
		}
	}
	return nil
}

// readUpTo reads until b is full or r ends.
func readUpTo(r io.Reader, b []byte) (int, error) {
	n, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return n, err
}
