package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check, test and explain a policy file", Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(newPolicyCheck(), newPolicyTest(), newPolicyExplain(), newPolicySchema())
	return cmd
}

func newPolicyCheck() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Say what is wrong with a policy file, its tests included",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := loadPolicy(args[0])
			var notes []string
			if err == nil {
				notes, err = checkFeeds(cmd.Context(), p, args[0], nil)
			}
			if err != nil {
				var all policy.Errors
				if errors.As(err, &all) {
					fmt.Fprintln(cmd.ErrOrStderr(), all.Error())
					return advise(&refusal{fmt.Sprintf("%s cannot be put in force: %s", args[0], count(len(all), "problem"))},
						"`sallyport policy schema` prints what a policy file may hold")
				}
				return err
			}
			for _, w := range append(p.Warnings(time.Now()), notes...) {
				fmt.Fprintf(cmd.ErrOrStderr(), "warning: %s\n", printable.Text(w, 500))
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s can be put in force: %s, sha256:%s\n", args[0], count(len(p.Channels()), "channel"), p.Digest())
			return err
		},
	}
}

func newPolicyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Run the tests of a policy file",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := policy.Test(args[0])
			if err != nil {
				return advisePolicy(err)
			}
			failed := 0
			for _, r := range results {
				name := printable.Text(r.Name, 200)
				if r.Passed {
					fmt.Fprintf(cmd.OutOrStdout(), "ok    %s\n", name)
					continue
				}
				failed++
				fmt.Fprintf(cmd.OutOrStdout(), "FAIL  %s\n      %s:%d:%d: wanted %s, got %s by %s\n", name, args[0], r.Line, r.Column, r.Want, r.Got, printable.Text(r.Rule, 200))
				for _, reason := range r.Reasons {
					fmt.Fprintf(cmd.OutOrStdout(), "      %s\n", printable.Text(reason, 500))
				}
			}
			if failed > 0 {
				return &refusal{fmt.Sprintf("%d of %d tests failed", failed, len(results))}
			}
			if len(results) == 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: the policy has no tests")
			}
			return nil
		},
	}
}

func newPolicyExplain() *cobra.Command {
	var file, client, user string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain URL",
		Short: "Say what the policy wants done with a URL",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := loadPolicy(file)
			if err != nil {
				return err
			}
			r := policy.Request{Method: http.MethodGet, Client: policy.Client{User: user}}
			if r.URL, err = parseWebURL(args[0]); err != nil {
				return err
			}
			if client != "" {
				if r.Client.Addr, err = netip.ParseAddr(client); err != nil {
					return fmt.Errorf("--client: %w", err)
				}
			}
			lines := p.Explain(r)
			if asJSON {
				plan := p.Plan(r)
				return printJSON(cmd.OutOrStdout(), explanation{
					URL: r.URL.String(), Policy: "sha256:" + p.Digest().String(), Channel: plan.Scope, Refused: plan.Refusal != nil,
					Inspected: plan.Inspect, Delivery: plan.Delivery.String(), Observed: plan.Observe, Lines: lines,
				})
			}
			for _, line := range lines {
				fmt.Fprintln(cmd.OutOrStdout(), printable.Text(line, 0))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&file, "policy", "", "policy `FILE`; without one the built-in policy is explained")
	cmd.Flags().StringVar(&client, "client", "", "`ADDRESS` of the client that asks")
	cmd.Flags().StringVar(&user, "user", "", "proxy user that asks")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	return cmd
}

// explanation is the JSON of `policy explain`.
type explanation struct {
	URL       string   `json:"url"`
	Policy    string   `json:"policy"`
	Channel   string   `json:"channel"`
	Refused   bool     `json:"refused"`
	Inspected bool     `json:"inspected"`
	Delivery  string   `json:"delivery"`
	Observed  bool     `json:"observed"`
	Lines     []string `json:"lines"`
}

// parseWebURL reads an absolute http or https URL.
func parseWebURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("reading the URL: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, advise(fmt.Errorf("%s is no web address", printable.Text(s, 200)), "write it with https:// or http:// and a host")
	}
	return u, nil
}

func newPolicySchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of policy files",
		Args:  exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := cmd.OutOrStdout().Write(policy.Schema())
			return err
		},
	}
}
