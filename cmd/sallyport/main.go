// Command sallyport is an egress proxy that holds software updates, verifies them against a policy, writes every
// decision down and only then lets them through. The same program looks after what the proxy keeps: the quarantine,
// the audit log, the interception CA and the state directory.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes. Scripts rely on them.
const (
	exitDone    = 0 // allowed, or done
	exitRefused = 1 // block or quarantine, a failed policy test, a broken log
	exitError   = 2 // wrong usage or an operational error
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code. Results go to stdout, everything else to stderr.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	if err == nil {
		return exitDone
	}
	return complain(stderr, err)
}

// complain tells the user what went wrong and what to try, and returns the exit code that goes with it.
func complain(stderr io.Writer, err error) int {
	code := exitError
	var refused *refusal
	if errors.As(err, &refused) {
		code = exitRefused
	}
	if msg := err.Error(); msg != "" {
		for line := range strings.SplitSeq(msg, "\n") {
			fmt.Fprintf(stderr, "sallyport: %s\n", line)
		}
	}
	var advice interface {
		error
		Hint() string
	}
	if errors.As(err, &advice) && advice.Hint() != "" {
		fmt.Fprintf(stderr, "sallyport: hint: %s\n", advice.Hint())
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "sallyport",
		Short:         "An egress proxy that verifies software updates before it lets them through",
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          group,
	}
	root.Version, _ = buildVersion()
	root.SetVersionTemplate("sallyport {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return advise(err, "see: "+cmd.CommandPath()+" --help")
	})
	root.AddCommand(
		newServe(),
		newVerify(),
		newPolicy(),
		newQuarantine(),
		newAudit(),
		newState(),
		newCA(),
		newTrust(),
		newDrill(),
		newVersion(),
	)
	return root
}

// group is what a command does that has subcommands and was called without one, or with one that does not exist.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		cmd.SetOut(cmd.ErrOrStderr())
		cmd.Help()
		return advise(fmt.Errorf("%s needs a subcommand", cmd.CommandPath()), "the list is above")
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	err := fmt.Errorf("%s has no subcommand %q", cmd.CommandPath(), args[0])
	if near := nearest(args[0], names); near != "" {
		return advise(err, "did you mean: "+cmd.CommandPath()+" "+near)
	}
	return advise(err, "see: "+cmd.CommandPath()+" --help")
}

// exactly wants n arguments, and says which ones when there are others.
func exactly(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		return advise(fmt.Errorf("%s takes %s, not %d", cmd.CommandPath(), count(n, "argument"), len(args)), "usage: "+cmd.UseLine())
	}
}

// count is a number of things that are called noun.
func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// refusal is an error that is a verdict, not a failure: it ends the program with exitRefused.
type refusal struct{ msg string }

func (r *refusal) Error() string { return r.msg }

// advised is an error with what the user could try next. Errors of other packages bring a Hint of their own.
type advised struct {
	error
	hint string
}

func (a *advised) Unwrap() error { return a.error }
func (a *advised) Hint() string  { return a.hint }

func advise(err error, hint string) error { return &advised{err, hint} }
