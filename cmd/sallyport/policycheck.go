package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

func newPolicyCheck() *cobra.Command {
	var s settings
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a policy file, its tests included",
		Long: `Say what is wrong with a policy file, all of it in one run, each at its place: what cannot be read, what leads nowhere, files and
lists that cannot be used, and tests that fail. Tests that rest on a part with errors are named and not run.

Warnings tell what is not wrong and can hardly be meant: rules that never match, channels that are never reached or require
nothing, hosts that are passed through unseen, exceptions that have expired or are about to, names that nothing refers to. Where
there is a state they also tell what the file would let through that was refused in the last 30 days, and that the policy in force
there refuses.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := checkPolicy(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if len(c.Errors) == 0 {
				notes, err := s.loosenedAgainst(cmd.Context(), c.Policy, cmd.Flags().Changed("state") || cmd.Flags().Changed("config"))
				if err != nil {
					return err
				}
				for _, note := range notes {
					c.notes = append(c.notes, args[0]+": "+note)
				}
			}
			if asJSON {
				if err := printJSON(cmd.OutOrStdout(), c.document(args[0])); err != nil {
					return err
				}
			} else if err := c.print(cmd, args[0]); err != nil {
				return err
			}
			if len(c.Errors) > 0 {
				return advise(&refusal{fmt.Sprintf("%s cannot be put in force: %s", args[0], count(len(c.Errors)+c.More, "problem"))},
					"`sallyport policy schema` prints what a policy file may hold")
			}
			return nil
		},
	}
	s.addTo(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// policyCheck is all that there is to say about a policy and the files that it names.
type policyCheck struct {
	policy.Checked
	notes []string // what could not be read of lists that can be used all the same
}

// checkPolicy reads a policy file and everything that it names, and goes on where something is wrong.
func checkPolicy(ctx context.Context, path string) (policyCheck, error) {
	data, err := readSmall(path, maxPolicy)
	if err != nil {
		return policyCheck{}, fmt.Errorf("reading policy: %w", err)
	}
	c := policyCheck{Checked: policy.Check(path, newNamedFiles(path), data, fromCatalogue())}
	if c.Draft == nil {
		return c, nil
	}
	notes, feedsErr := checkFeeds(ctx, c.Draft, path, nil)
	c.notes = notes
	for _, err := range []error{checkPolicyLists(c.Draft), checkPolicyRoots(c.Draft), feedsErr} {
		var wrong policy.Errors
		switch {
		case err == nil:
		case errors.As(err, &wrong):
			for _, e := range wrong {
				if !slices.ContainsFunc(c.Errors, func(told policy.Error) bool { return told.File == e.File && told.Line == e.Line && e.Line > 0 }) {
					c.Errors = append(c.Errors, e) // what is told already is why
				}
			}
		default:
			return c, err
		}
	}
	c.Errors.Sort(path)
	return c, nil
}

func (c policyCheck) print(cmd *cobra.Command, path string) error {
	w := cmd.ErrOrStderr()
	if len(c.Errors) > 0 {
		fmt.Fprintln(w, c.Errors.Error())
	}
	if c.More > 0 {
		fmt.Fprintf(w, "and %s\n", count(c.More, "more error"))
	}
	for _, u := range c.Untried {
		fmt.Fprintf(w, "not run: %s\n", printable.Text(u.String(), 500))
	}
	for _, warning := range c.Warnings {
		fmt.Fprintf(w, "warning: %s\n", printable.Text(warning.String(), 1000))
	}
	for _, note := range c.notes {
		fmt.Fprintf(w, "warning: %s\n", printable.Text(note, 500))
	}
	if len(c.Errors) > 0 {
		return nil
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s can be put in force: %s, sha256:%s\n", path, count(len(c.Policy.Channels()), "channel"), c.Policy.Digest())
	return err
}

// checkDocument is the JSON of `policy check`.
type checkDocument struct {
	File     string           `json:"file"`
	Good     bool             `json:"good"`
	Policy   string           `json:"policy,omitempty"` // its digest
	Errors   []policy.Warning `json:"errors"`
	More     int              `json:"more_errors,omitempty"` // that are not listed
	NotRun   []policy.Warning `json:"not_run"`
	Warnings []policy.Warning `json:"warnings"`
	Notes    []string         `json:"notes,omitempty"`
}

func (c policyCheck) document(path string) checkDocument {
	d := checkDocument{File: path, Good: len(c.Errors) == 0, Errors: []policy.Warning{}, More: c.More, NotRun: append([]policy.Warning{}, c.Untried...), Warnings: append([]policy.Warning{}, c.Warnings...), Notes: c.notes}
	for _, e := range c.Errors {
		d.Errors = append(d.Errors, policy.Warning(e))
	}
	if d.Good {
		d.Policy = "sha256:" + c.Policy.Digest().String()
	}
	return d
}
