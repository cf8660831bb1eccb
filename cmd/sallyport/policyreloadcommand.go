package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
	"github.com/sallyport-project/sallyport/proxy/console"
)

func newPolicyReload() *cobra.Command {
	var s settings
	var order console.ReloadOrder
	var who credentialFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have the running server read its policy file again",
		Long: `Have the running server read its policy file again, and say what became of it. A policy that would let through what was refused in
the last 30 days, and what the policy in force refuses, that would no longer look at what comes from some host, or under which it
takes fewer people for something, comes into force only with --confirm-loosening; who confirmed it is recorded. Where the policy in
force wants several people for that (approval: {loosening: {people: 2}}), each of them gives the same command with --as NAME. What is
confirmed is the policy that the file holds at that moment; with --policy, only if that is the one that was looked at.

The exit code is 1 if another policy than that of the file stays in force.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cred, err := who.read(cmd)
			if err != nil {
				return err
			}
			order.By, order.As = whoami(), cred
			return s.operate(cmd, func(o operator) error {
				done, err := o.Reload(cmd.Context(), order)
				if err != nil {
					return err
				}
				if asJSON {
					if err := printJSON(cmd.OutOrStdout(), done); err != nil {
						return err
					}
				}
				return showReloaded(cmd, done, asJSON)
			})
		},
	}
	s.addTo(cmd)
	cmd.Flags().BoolVar(&order.Confirm, "confirm-loosening", false, "put the policy in force although it lets through what was refused")
	cmd.Flags().StringVar(&order.Policy, "policy", "", "only if the file is the policy with this digest, `sha256:...`")
	cmd.Flags().StringVar(&order.Reason, "reason", "", "why; it goes into the log")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	who.addTo(cmd)
	return cmd
}

// showReloaded says what became of a reload.
func showReloaded(cmd *cobra.Command, done console.Reloaded, quiet bool) error {
	w := cmd.OutOrStdout()
	if quiet {
		w = io.Discard
	}
	file := printable.Text(done.File, 200)
	switch done.Outcome {
	case console.ReloadUnchanged:
		fmt.Fprintf(w, "%s is the policy in force, %s\n", file, done.InForce)
		return nil
	case console.ReloadInForce:
		fmt.Fprintf(w, "%s is in force now, %s\n", file, done.InForce)
		return nil
	case console.ReloadWaiting:
		if a := done.Waiting; a != nil {
			return advise(&refusal{fmt.Sprintf("%d of %d people have confirmed %s; %s stays in force", len(a.By), a.People, done.Policy, done.InForce)},
				"another person gives the same command with --as NAME, before "+a.Ends.Local().Format("2006-01-02 15:04"))
		}
	case console.ReloadLoosens:
		if done.Loosened != nil {
			showLoosened(w, done.Loosened)
		}
		return advise(&refusal{fmt.Sprintf("%s is not put in force, because it loosens; %s stays in force", file, done.InForce)}, fmt.Sprintf("%s; with --policy %s only if the file is still that one", (&loosens{}).Hint(), done.Policy))
	}
	return &refusal{fmt.Sprintf("%s cannot be put in force; %s stays in force: %s", file, done.InForce, printable.Text(done.Detail, 2000))}
}

// showLoosened says what a policy loosens, with examples.
func showLoosened(w io.Writer, l *replay.Loosened) {
	for _, sentence := range loosenedSentences(l) {
		fmt.Fprintln(w, sentence)
	}
	showGroups(w, "WOULD BE LET THROUGH", l.Allowed)
	showGroups(w, "might be let through", l.Perhaps)
	if l.Gone > 0 {
		fmt.Fprintf(w, "\nof %s too little is kept to judge them again\n", counted(l.Gone, "other refusal"))
	}
}
