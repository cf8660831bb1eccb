package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/configs"
	"github.com/sallyport-project/sallyport/policy"
)

func newPolicyChannels() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "channels [NAME]",
		Short: "List the catalogue of vendors' channels",
		Long: `List the catalogue of vendors' channels that a policy takes by use: [catalogue/NAME], or show one in full: what is known
about who vouches for the product, from where and since when, what cannot be verified, and the channels themselves.

What rests on something that nobody has confirmed is marked, and only observed unless the policy says mode: enforce.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return showFragment(cmd.OutOrStdout(), strings.TrimPrefix(args[0], "catalogue/"), asJSON)
			}
			return listFragments(cmd.OutOrStdout(), asJSON)
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			names, _ := policy.FragmentNames(configs.Files())
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func listFragments(w io.Writer, asJSON bool) error {
	names, err := policy.FragmentNames(configs.Files())
	if err != nil {
		return err
	}
	all := make([]*policy.Fragment, len(names))
	for i, name := range names {
		if all[i], err = policy.ReadFragment(configs.Files(), name); err != nil {
			return fmt.Errorf("reading the catalogue: %w", err)
		}
	}
	if asJSON {
		return printJSON(w, all)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tPRODUCT\tVENDOR\tPLATFORMS\tFACTS\tCANNOT BE VERIFIED")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, f.Product, f.Vendor, strings.Join(f.Platforms, ", "), confirmation(f), firstOf(f.Cannot))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "\n%s; `sallyport policy channels NAME` shows one in full, `use: [catalogue/NAME]` in a policy takes it\n", count(len(all), "product"))
	return err
}

// confirmation says how well founded a fragment is.
func confirmation(f *policy.Fragment) string {
	sure := 0
	for _, fact := range f.Facts {
		if fact.Confirmed {
			sure++
		}
	}
	switch {
	case sure == len(f.Facts):
		return "confirmed"
	case sure == 0:
		return "not confirmed, observed"
	}
	return fmt.Sprintf("%d of %d confirmed", sure, len(f.Facts))
}

// firstOf returns the first of some sentences, and how many follow.
func firstOf(sentences []string) string {
	if len(sentences) == 0 {
		return "-"
	}
	first := sentences[0]
	if r := []rune(first); len(r) > 60 {
		first = strings.TrimSpace(string(r[:59])) + "…"
	}
	if len(sentences) > 1 {
		first += fmt.Sprintf(" (and %d more)", len(sentences)-1)
	}
	return first
}

func showFragment(w io.Writer, name string, asJSON bool) error {
	names, err := policy.FragmentNames(configs.Files())
	if err != nil {
		return err
	}
	if !slices.Contains(names, name) {
		hint := "`sallyport policy channels` lists what it has"
		if near := nearest(name, names); near != "" {
			hint = "did you mean: " + near
		}
		return advise(fmt.Errorf("the catalogue has no %q", name), hint)
	}
	f, err := policy.ReadFragment(configs.Files(), name)
	if err != nil {
		return fmt.Errorf("reading the catalogue: %w", err)
	}
	if asJSON {
		return printJSON(w, f)
	}
	fmt.Fprintf(w, "%s: %s, by %s, for %s\n\nKnown:\n", f.Name, f.Product, f.Vendor, strings.Join(f.Platforms, ", "))
	for _, fact := range f.Facts {
		state := "confirmed"
		if !fact.Confirmed {
			state = "NOT confirmed"
		}
		fmt.Fprintf(w, "- %s\n  %s on %s: %s\n", fact.Fact, state, fact.Date, fact.Source)
		if len(fact.About) > 0 {
			fmt.Fprintf(w, "  about %s\n", strings.Join(fact.About, ", "))
		}
	}
	fmt.Fprintln(w, "\nCannot be verified or looked into:")
	for _, c := range f.Cannot {
		fmt.Fprintf(w, "- %s\n", c)
	}
	if len(f.Cannot) == 0 {
		fmt.Fprintln(w, "- nothing is known to be out of reach")
	}
	fmt.Fprintln(w, "\nAnchors:")
	for _, a := range f.Anchors {
		fmt.Fprintf(w, "- %s\n", a)
	}
	fmt.Fprintln(w, "\nChannels:")
	for _, c := range f.Channels {
		showFragmentChannel(w, c)
	}
	if len(f.Tunnelled) > 0 {
		fmt.Fprintf(w, "\nPassed through unseen: %s\n", strings.Join(f.Tunnelled, ", "))
	}
	_, err = fmt.Fprintf(w, "\n%s show what the channels do. As it is written:\n\n%s", count(f.Tests, "test"), f.Text)
	return err
}

func showFragmentChannel(w io.Writer, c policy.FragmentChannel) {
	mode := ""
	if c.Observe {
		mode = " (observed only)"
	}
	fmt.Fprintf(w, "- %s%s: hosts %s", c.Name, mode, strings.Join(c.Hosts, ", "))
	if len(c.Paths) > 0 {
		fmt.Fprintf(w, "; paths %s", strings.Join(c.Paths, ", "))
	}
	fmt.Fprintln(w)
	for _, r := range c.Require {
		fmt.Fprintf(w, "  requires: %s\n", r)
	}
}
