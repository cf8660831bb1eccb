// Command sigstore is the client that the public Sigstore conformance suite (https://github.com/sigstore/sigstore-conformance)
// drives, for verification:
//
//	sigstore [verify-bundle] [--staging] --bundle B (--certificate-identity I --certificate-oidc-issuer X | --key K) [--trusted-root T] FILE|sha256:HEX
//
// It exits with 0 if the bundle is accepted, with 1 if it is refused, and with 2 after wrong usage only. It asks the network for
// nothing: without --trusted-root it takes the trusted roots of the public-good or the staging instance that it was built with.
// The verifier is the one that the proxy runs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore"
)

const usage = `usage: sigstore [verify-bundle] [--staging] --bundle FILE
                (--certificate-identity IDENTITY --certificate-oidc-issuer URL | --key FILE)
                [--trusted-root FILE] FILE|sha256:HEX
`

func main() {
	os.Exit(run(os.Args[1:], time.Now(), os.Stdout, os.Stderr))
}

// run is the command at a time; it returns the exit status.
func run(args []string, at time.Time, stdout, stderr io.Writer) int {
	q, err := parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "sigstore: %v\n%s", err, usage)
		return 2
	}
	findings, err := q.verify(at)
	if err != nil {
		fmt.Fprintf(stderr, "sigstore: %v\n", err)
		return 1
	}
	return conclude(findings, stdout, stderr)
}

// conclude accepts where a finding is valid for the anchor and none says that something is wrong.
func conclude(findings []verify.Finding, stdout, stderr io.Writer) int {
	accepted := false
	for _, f := range findings {
		switch {
		case f.Status == verify.Valid && len(f.Anchors) > 0:
			accepted = true
			fmt.Fprintf(stdout, "%s: %s\n", f.Code, f.Detail)
		case f.Status == verify.Invalid:
			fmt.Fprintf(stderr, "%s: %s\n", f.Code, f.Detail)
			return 1
		default:
			fmt.Fprintf(stderr, "%s: %s\n", f.Code, f.Detail)
		}
	}
	if !accepted {
		return 1
	}
	return 0
}

// question is what is asked on the command line.
type question struct {
	bundle, identity, issuer, key, root string
	staging                             bool
	artifact                            string
}

func parse(args []string) (q question, err error) {
	if len(args) > 0 && args[0] == "verify-bundle" {
		args = args[1:]
	}
	f := flag.NewFlagSet("sigstore", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.StringVar(&q.bundle, "bundle", "", "")
	f.StringVar(&q.identity, "certificate-identity", "", "")
	f.StringVar(&q.issuer, "certificate-oidc-issuer", "", "")
	f.StringVar(&q.key, "key", "", "")
	f.StringVar(&q.root, "trusted-root", "", "")
	f.BoolVar(&q.staging, "staging", false, "")
	if err := f.Parse(args); err != nil {
		return q, err
	}
	q.artifact = f.Arg(0)
	switch {
	case f.NArg() != 1:
		return q, fmt.Errorf("one file or digest is verified, not %d", f.NArg())
	case q.bundle == "":
		return q, errors.New("--bundle is missing")
	case q.key != "" && (q.identity != "" || q.issuer != ""):
		return q, errors.New("--key and --certificate-identity exclude each other")
	case q.key == "" && (q.identity == "" || q.issuer == ""):
		return q, errors.New("--certificate-identity and --certificate-oidc-issuer, or --key, are missing")
	}
	return q, nil
}

// verify runs the verifier with one anchor, which has the bundle among its own.
func (q *question) verify(at time.Time) ([]verify.Finding, error) {
	anchor, err := q.anchor()
	if err != nil {
		return nil, err
	}
	a, done, err := open(q.artifact)
	if err != nil {
		return nil, err
	}
	defer done()
	env := verify.Env{Trust: verify.Trust{Sigstore: []verify.SigstoreAnchor{*anchor}}, At: at}
	return sigstore.New().Verify(context.Background(), a, env)
}
