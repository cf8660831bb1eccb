package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

// drillControl is what one control by itself would have said.
type drillControl struct {
	control string
	verdict string // "let through" or "stopped"
	why     string
}

// singleControl is a policy with one requirement. Some are of the kind that other products are made of.
type singleControl struct {
	name    string
	require string // YAML
	blind   string // a code of findings that this control does not look for
}

// controlsOf judges an update by each control alone, with the roots and keys of the drill.
func controlsOf(ctx context.Context, r *drillRange, name string, body []byte, controls []singleControl) ([]drillControl, error) {
	roots, err := loadTrust(r.proxy.config.Trust)
	if err != nil {
		return nil, err
	}
	head := body[:min(len(body), verify.SniffLen)]
	a := &verify.Artifact{
		Name: name, Size: int64(len(body)), Digests: verify.Digests{SHA256: sha256.Sum256(body)}, Fetched: time.Now(),
		Format: verify.Sniff(head, name), Content: bytes.NewReader(body),
	}
	now := time.Now()
	report := examiner(r.proxy.config, zap.NewNop()).Examine(ctx, a, verify.Env{Memory: &overlay{}, Trust: roots, At: now, Inside: true})
	var out []drillControl
	for _, c := range controls {
		d, err := c.judge(report, a, now)
		if err != nil {
			return nil, fmt.Errorf("control %s: %w", c.name, err)
		}
		verdict := "stopped"
		if d.Action == policy.Allow {
			verdict = "let through"
		}
		out = append(out, drillControl{c.name, verdict, strings.Join(d.Reasons, "; ")})
	}
	return out, nil
}

// judge asks a policy that consists of the control.
func (c singleControl) judge(report verify.Report, a *verify.Artifact, now time.Time) (policy.Decision, error) {
	text := `version: 1
anchors:
  vendor: {authenticode: {organization: 3CX Ltd}}
  microsoft: {authenticode: {organization: Microsoft Corporation}}
  checksum: {digest: {sha256: ["` + a.Digests.SHA256.String() + `"]}}
channels:
- name: control
  hosts: [control.example]
  require:
  - ` + c.require + "\n"
	p, err := policy.Parse("control", embed.FS{}, []byte(text))
	if err != nil {
		return policy.Decision{}, err
	}
	report.Findings = slices.DeleteFunc(slices.Clone(report.Findings), func(f verify.Finding) bool { return c.blind != "" && f.Code == c.blind })
	return p.Decide(policy.Facts{
		Request: policy.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "control.example", Path: "/" + a.Name}},
		Update:  policy.Update{Name: a.Name, Format: a.Format, Size: a.Size, SHA256: a.Digests.SHA256},
		Report:  report, Now: now,
	}), nil
}
