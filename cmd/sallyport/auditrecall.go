package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/proxy/console"
)

func newAuditRecall(s *settings) *cobra.Command {
	var order console.RecallOrder
	cmd := &cobra.Command{
		Use:   "recall SHA256|FILE --reason TEXT",
		Short: "Take bytes back: nothing that is, or contains, them is let through any more",
		Long: `Take bytes back that were let through. From that moment on the proxy refuses every update that is, or contains, them, whatever
the policy says and whatever was released by hand; what it had kept of them, too. It says who got them: "audit list --kind regret" has
them all. With --lift an earlier recall ends.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if order.Reason == "" {
				return advise(errors.New("a reason is needed: it is what whoever is refused will be told"), `--reason "why"`)
			}
			digest, err := digestOf(args[0])
			if err != nil {
				return err
			}
			order.SHA256, order.By = digest, whoami()
			return s.operate(cmd, func(o operator) error {
				done, err := o.Recall(cmd.Context(), order)
				if done.Record != "" {
					sayRecalled(cmd, order, done)
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&order.Reason, "reason", "", "why; it goes into the log, and clients are told (required)")
	cmd.Flags().BoolVar(&order.Lift, "lift", false, "end an earlier recall of it")
	return cmd
}

func sayRecalled(cmd *cobra.Command, order console.RecallOrder, done console.RecallDone) {
	w := cmd.OutOrStdout()
	if order.Lift {
		fmt.Fprintf(w, "the recall of %s is lifted, record %s\n", order.SHA256, done.Record)
		return
	}
	fmt.Fprintf(w, "recalled %s, record %s\n", order.SHA256, done.Record)
	if done.Artifacts == 0 {
		fmt.Fprintln(w, "nothing that is known to contain it was let through")
		return
	}
	fmt.Fprintf(w, "%s was let through before, by %s\n", count(done.Artifacts, "update"), count(done.Decisions, "decision"))
	fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: hint: `sallyport audit list --kind regret` says who got what")
}
