package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
)

// fileExplanation is the JSON of `policy explain FILE`.
type fileExplanation struct {
	Record   audit.Record     `json:"record"`   // as `verify --json` has it
	Plan     []string         `json:"plan"`     // what the policy wants done with the request
	Verdicts []policy.Verdict `json:"verdicts"` // of each requirement
}

// meansFile reports whether what is to be explained is a file and no URL.
func meansFile(arg string) bool {
	if strings.HasPrefix(arg, "http://") || strings.HasPrefix(arg, "https://") {
		return false
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

// explainFile judges a file as `verify` does, and tells of every requirement what became of it.
func (f *verifyFlags) explainFile(cmd *cobra.Command, name string, client policy.Client) error {
	j, err := f.judge(cmd)
	if err != nil {
		return err
	}
	defer j.close()
	j.request.Client = client
	j.plan = j.policy.Plan(j.request)
	rec, facts, err := j.one(cmd, name)
	if err != nil {
		return err
	}
	if f.channel == "" && f.url == "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "sallyport: nobody said where the file is from, so that no channel judges it: say --url URL or --channel NAME")
	}
	e := fileExplanation{Record: rec, Plan: j.policy.Explain(j.request), Verdicts: j.policy.Verdicts(facts)}
	if f.asJSON {
		return printJSON(cmd.OutOrStdout(), e)
	}
	printExplanation(cmd.OutOrStdout(), name, e)
	return nil
}

// printExplanation prints which channel and which rule decide, and what became of each requirement.
func printExplanation(w io.Writer, name string, e fileExplanation) {
	for _, line := range e.Plan {
		fmt.Fprintln(w, printable.Text(line, 0))
	}
	d := e.Record.Decision
	observed := ""
	if d.Observed {
		observed = " (observed only: it would be delivered)"
	}
	fmt.Fprintf(w, "\n%s: %s by %s%s\n", printable.Text(name, 500), d.Action, printable.Text(d.Rule, 200), observed)
	if !d.Ripe.IsZero() {
		fmt.Fprintf(w, "it would be let through from %s on, if nothing but time passes\n", policy.RipeFrom(d.Ripe))
	}
	if len(e.Verdicts) == 0 || !strings.HasPrefix(d.Rule, "channel ") {
		for _, reason := range d.Reasons {
			fmt.Fprintf(w, "  because   %s\n", printable.Text(reason, 0))
		}
	}
	for _, v := range e.Verdicts {
		fmt.Fprintf(w, "  %-14s  %s\n", v.Outcome, printable.Text(v.Requirement, 0))
		fmt.Fprintf(w, "  %-14s  %s\n", "", printable.Text(v.Reason, 0))
	}
	paragraph{w}.changes(e.Record)
}
