package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/learn"
	"github.com/sallyport-project/sallyport/verify"
)

func newPolicyLearn() *cobra.Command {
	var s settings
	var since string
	var o learn.Options
	cmd := &cobra.Command{
		Use:   "learn",
		Short: "Draft channels from what the gate saw",
		Long: `Draft channels from what the gate saw: from which hosts and paths updates came, in which formats, and who had signed them, with
counts and dates. The draft is printed as a policy, for you to read and to take over what you know to be right; its channels
observe. Nothing is trusted because it was seen.

Hosts that are passed through unseen are named at the end. With --host one of them gets a channel that observes.`,
		Args: exactly(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, dir, err := s.loadExisting()
			if err != nil {
				return err
			}
			o.Now = time.Now()
			f := audit.Filter{}
			if since != "" {
				if f.Since, err = parseSince(since, o.Now); err != nil {
					return fmt.Errorf("--since: %w", err)
				}
			}
			survey, err := surveyOf(cmd.Context(), dir, f)
			if err != nil {
				return err
			}
			return survey.Write(cmd.OutOrStdout(), o)
		},
	}
	s.addTo(cmd)
	cmd.Flags().StringVar(&since, "since", "", "not before this `TIME`, or how long ago, like 24h or 30d; without it all that the log has")
	cmd.Flags().StringVar(&o.Host, "host", "", "only this `HOST`, or *.domain")
	cmd.Flags().StringVar(&o.Channel, "channel-name", "", "the `NAME` of the channel, if one is drafted")
	return cmd
}

// surveyOf gathers what the log says, with the reports that were kept.
func surveyOf(ctx context.Context, dir stateDir, f audit.Filter) (*learn.Survey, error) {
	survey := new(learn.Survey)
	reports, err := audit.ReadReports(dir.reports())
	if err != nil {
		return nil, err
	}
	defer reports.Close()
	known := reportFindings{reports: reports, by: map[verify.Digest][]verify.Finding{}}
	f.Kind = audit.KindDecision
	err = eachRecord(ctx, dir, f, func(r *audit.Record) {
		if r.Artifact != nil && r.Decision != nil {
			survey.Add(sighting(r, known.of(r.Report)))
		}
	})
	if err != nil {
		return nil, err
	}
	_, err = audit.Each(ctx, dir.log(), audit.Range{Kinds: []audit.Kind{audit.KindTunnel}, Since: f.Since, Until: f.Until},
		func(r audit.Record) audit.Record { return r },
		func(r audit.Record) error {
			if r.Tunnel != nil {
				host := r.Tunnel.Host
				if name, _, err := net.SplitHostPort(host); err == nil {
					host = name
				}
				survey.AddTunnel(host, r.Time, r.Tunnel.Received)
			}
			return nil
		})
	return survey, err
}

// reportFindings gives the findings of reports, which many records share.
type reportFindings struct {
	reports *audit.Reports
	by      map[verify.Digest][]verify.Finding
}

// maxReportsKept bounds how many are remembered, each with the findings about the update itself and one of those by which something inside is wrong.
const maxReportsKept = 50_000

// of returns what counts for a survey; nothing of a report that was not kept.
func (k *reportFindings) of(report verify.Digest) []verify.Finding {
	found, known := k.by[report]
	if known || report.IsZero() {
		return found
	}
	whole, _ := k.reports.Load(report)
	odd := false
	for _, f := range whole.Findings {
		if f.Subject == "" || f.Status == verify.Invalid && !odd {
			found, odd = append(found, f), odd || f.Subject != ""
		}
	}
	if len(k.by) >= maxReportsKept {
		clear(k.by)
	}
	k.by[report] = found
	return found
}

// eachRecord calls see for every record that a filter chooses, oldest first.
func eachRecord(ctx context.Context, dir stateDir, f audit.Filter, see func(*audit.Record)) error {
	in, out := io.Pipe()
	go func() { out.CloseWithError(audit.Export(ctx, dir.log(), out, audit.FormatJSONL, f)) }()
	defer in.Close()
	for dec := json.NewDecoder(in); ; {
		var r audit.Record
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("reading the log: %w", err)
		}
		see(&r)
	}
}

// sighting is what a record says of an update. Who signed is taken from the findings of the whole report, where that was kept: the record has
// names alone.
func sighting(r *audit.Record, whole []verify.Finding) learn.Sighting {
	x := learn.Sighting{
		Time: r.Time, Format: string(r.Artifact.Format), Metadata: r.Artifact.Role == verify.Metadata.String(), Product: r.Artifact.Product,
		Version: r.Artifact.Version, Channel: r.Channel, Through: r.Decision.Action == policy.Allow,
		Refused: refusedForGood(r),
	}
	if r.Request != nil {
		if u, err := url.Parse(r.Request.URL); err == nil && u.Host != "" {
			x.URL = u
		}
	}
	for _, f := range whole {
		noteWrong(&x, f.Subject, f.Status)
		if f.Subject == "" && f.Status == verify.Valid && !f.Signer.IsZero() {
			x.Signers = append(x.Signers, learn.Signer{
				Method: f.Method, Organization: f.Signer.Organization, Thumbprint: f.Signer.Fingerprint, Identity: identityOf(f.Method, f.Signer.Name),
				Issuer: f.Signer.Issuer, Name: f.Signer.String(), Anchors: f.Anchors, Private: f.Signer.PrivateRoot,
			})
		}
	}
	if len(whole) > 0 {
		x.Signers = oncePerSystem(x.Signers)
		return x
	}
	for _, f := range r.Findings {
		noteWrong(&x, f.Subject, f.Status)
		if f.Subject == "" && f.Status == verify.Valid && f.Signer != "" {
			by := learn.Signer{Method: f.Method, Identity: identityOf(f.Method, f.Signer), Issuer: f.Issuer, Name: f.Signer, Anchors: f.Anchors}
			if _, err := verify.ParseDigest(f.Signer); err == nil {
				by.Thumbprint = f.Signer
			} else {
				by.Organization = organizationOf(f)
			}
			x.Signers = append(x.Signers, by)
		}
	}
	x.Signers = oncePerSystem(x.Signers)
	return x
}

// noteWrong notes that a signature is wrong, of the update or of what is inside.
func noteWrong(x *learn.Sighting, subject string, status verify.Status) {
	if status == verify.Invalid {
		x.Broken, x.Odd = x.Broken || subject == "", x.Odd || subject != ""
	}
}

// refusedForGood reports whether a deny rule or a recall refused an update, or it was held while a list names it: its signer is nobody to
// trust for having signed it.
func refusedForGood(r *audit.Record) bool {
	listed := r.Decision.Action != policy.Allow && r.Facts != nil && r.Facts.Reputation != nil && len(r.Facts.Reputation.Listings) > 0
	return listed || strings.HasPrefix(r.Decision.Rule, "deny ") || strings.HasPrefix(r.Decision.Rule, "recall ")
}

// identityOf is the name of a signer where that is an identity of Sigstore.
func identityOf(method, name string) string {
	if method == "sigstore" {
		return name
	}
	return ""
}

// organizationOf is the name of a signer where that is, or stands for, the organization of a certificate.
func organizationOf(f audit.Finding) string {
	if f.Issuer == "" && len(f.Anchors) == 0 {
		return f.Signer
	}
	return ""
}

// oncePerSystem leaves out signers that were named before: a file with two signatures by one of them is one update.
func oncePerSystem(list []learn.Signer) []learn.Signer {
	var out []learn.Signer
	seen := map[[3]string]bool{}
	for _, s := range list {
		key := [3]string{s.Method, s.Organization, s.Name}
		if !seen[key] {
			out = append(out, s)
		}
		seen[key] = true
	}
	return out
}
