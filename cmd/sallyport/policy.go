package main

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

func newPolicy() *cobra.Command {
	cmd := &cobra.Command{Use: "policy", Short: "Check, test and explain a policy file", Args: cobra.ArbitraryArgs, RunE: group}
	cmd.AddCommand(newPolicyCheck(), newPolicyTest(), newPolicyExplain(), newPolicySchema(), newPolicyReplay(), newPolicyReload(), newPolicyChannels(), newPolicyLearn())
	return cmd
}

func newPolicyTest() *cobra.Command {
	return &cobra.Command{
		Use:   "test FILE",
		Short: "Run the tests of a policy file",
		Args:  exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			results, err := policy.Test(args[0], fromCatalogue())
			if err != nil {
				return advisePolicy(err)
			}
			failed := 0
			for _, r := range results {
				name := printable.Text(r.Name, 200)
				if r.Fragment != "" {
					name = "catalogue/" + r.Fragment + ": " + name
				}
				if !r.Passed && r.Fragment != "" { // the admin's own channels come first
					fmt.Fprintf(cmd.OutOrStdout(), "note  %s\n      with this policy: wanted %s, got %s by %s\n", name, r.Want, r.Got, printable.Text(r.Rule, 200))
					continue
				}
				if r.Passed {
					fmt.Fprintf(cmd.OutOrStdout(), "ok    %s\n", name)
					continue
				}
				failed++
				fmt.Fprintf(cmd.OutOrStdout(), "FAIL  %s\n      %s:%d:%d: wanted %s, got %s by %s\n", name, r.File, r.Line, r.Column, r.Want, r.Got, printable.Text(r.Rule, 200))
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
	var f verifyFlags
	var client, user string
	cmd := &cobra.Command{
		Use:   "explain URL|FILE",
		Short: "Say what the policy wants done with a URL, or what it says of a file",
		Long: `Say what the policy wants done with a URL: which channel judges it, and what that requires. Of a file, say besides which rule
decides, and what became of each requirement. A file is judged as ` + "`sallyport verify`" + ` does: --channel or --url says which channel
judges, and what the proxy remembers in its state directory counts. The policy is the one that --policy or the configuration names.`,
		Args: exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r := policy.Request{Method: http.MethodGet, Client: policy.Client{User: user}}
			var err error
			if client != "" {
				if r.Client.Addr, err = netip.ParseAddr(client); err != nil {
					return fmt.Errorf("--client: %w", err)
				}
			}
			if meansFile(args[0]) {
				return f.explainFile(cmd, args[0], r.Client)
			}
			if r.URL, err = parseWebURL(args[0]); err != nil {
				return advise(fmt.Errorf("%s is neither a file here nor a web address", printable.Text(args[0], 200)), "write an address with https:// or http:// and a host")
			}
			p, err := f.explained()
			if err != nil {
				return err
			}
			lines := p.Explain(r)
			if f.asJSON {
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
	f.addTo(cmd)
	cmd.Flags().StringVar(&f.policy, "policy", "", "policy `FILE`; else what the configuration says, else the built-in policy")
	cmd.Flags().StringVar(&f.channel, "channel", "", "`NAME` of the channel that judges the file")
	cmd.Flags().StringVar(&f.url, "url", "", "`URL` that the file is from")
	cmd.Flags().StringVar(&f.sidecars, "sidecars", "", "`DIR` with what is published beside the file")
	cmd.Flags().StringVar(&f.at, "at", "", "`TIME` of judgement, like 2026-11-22T15:04:05Z; now without it")
	cmd.Flags().StringVar(&client, "client", "", "`ADDRESS` of the client that asks")
	cmd.Flags().StringVar(&user, "user", "", "proxy user that asks")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	return cmd
}

// explained loads the policy that is to be explained, as `verify` finds the one by which it judges.
func (f *verifyFlags) explained() (*policy.Policy, error) {
	c, err := loadConfig(f.configFile)
	if err != nil {
		return nil, err
	}
	if f.policy != "" {
		c.Policy = f.policy
	}
	return loadPolicy(c.Policy)
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
