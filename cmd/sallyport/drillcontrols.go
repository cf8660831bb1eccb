package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
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
	deny    bool   // the policy denies the update by its digest as well
}

// controlGround is what single controls are judged on: an update as the drill's verifiers report on it, and anchors.
type controlGround struct {
	artifact *verify.Artifact
	report   verify.Report
	anchors  string // YAML
	files    fs.FS  // that the anchors name
	now      time.Time
}

// controlsOf judges an update by each control alone, with the roots and keys of the drill.
func controlsOf(ctx context.Context, r *drillRange, name string, body []byte, controls []singleControl) ([]drillControl, error) {
	roots, err := loadTrust(r.proxy.config.Trust)
	if err != nil {
		return nil, err
	}
	g := &controlGround{artifact: artifactOf(name, body), files: embed.FS{}, now: time.Now(), anchors: `  vendor: {authenticode: {organization: 3CX Ltd}}
  microsoft: {authenticode: {organization: Microsoft Corporation}}
`}
	g.report = examiner(r.proxy.config, zap.NewNop()).Examine(ctx, g.artifact, verify.Env{Memory: &overlay{}, Trust: roots, At: g.now, Inside: true})
	return g.judge(controls)
}

// frameworkControls judges an update from the drill's registry by each control alone, with the anchors of the drill's own
// policy.
func (r *drillRange) frameworkControls(ctx context.Context, s drillShot, controls []singleControl) ([]drillControl, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return nil, err
	}
	files := filepath.Join(r.dir, "policy")
	g := &controlGround{artifact: artifactOf(path.Base(u.Path), s.body), files: os.DirFS(files), anchors: r.frameworks.anchors(), now: time.Now()}
	g.artifact.URL = u
	g.report = examiner(r.proxy.config, zap.NewNop()).Examine(ctx, g.artifact, verify.Env{
		Memory: &overlay{}, Trust: r.policy.Trust(verify.Trust{}), At: g.now, Sidecars: siteSidecars{r.site(u.Host), u},
	})
	return g.judge(controls)
}

// siteSidecars finds what a site of the drill publishes beside an update.
type siteSidecars struct {
	site drillSite
	base *url.URL
}

// Fetch implements verify.Sidecars.
func (s siteSidecars) Fetch(_ context.Context, ref string, limit int64) ([]byte, error) {
	u, err := s.base.Parse(ref)
	if err != nil || u.Host != s.base.Host {
		return nil, verify.ErrNotExist
	}
	body, ok := s.site.published()[strings.TrimPrefix(u.Path, "/")]
	switch {
	case !ok:
		return nil, verify.ErrNotExist
	case int64(len(body)) > limit:
		return nil, verify.ErrTooLarge
	}
	return body, nil
}

func artifactOf(name string, body []byte) *verify.Artifact {
	return &verify.Artifact{
		Name: name, Size: int64(len(body)), Digests: verify.Digests{SHA256: sha256.Sum256(body)}, Fetched: time.Now(),
		Format: verify.Sniff(body[:min(len(body), verify.SniffLen)], name), Content: bytes.NewReader(body),
	}
}

func (g *controlGround) judge(controls []singleControl) ([]drillControl, error) {
	var out []drillControl
	for _, c := range controls {
		d, err := g.judgeBy(c)
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

// judgeBy asks a policy that consists of the control.
func (g *controlGround) judgeBy(c singleControl) (policy.Decision, error) {
	digest := g.artifact.Digests.SHA256.String()
	text := "version: 1\nanchors:\n" + g.anchors + `  checksum: {digest: {sha256: ["` + digest + `"]}}
channels:
- name: control
  hosts: [control.example]
  require:
  - ` + c.require + "\n"
	if c.deny {
		text += `deny: [{name: known to be malicious, sha256: ["` + digest + `"]}]` + "\n"
	}
	p, err := policy.Parse("control", g.files, []byte(text))
	if err != nil {
		return policy.Decision{}, err
	}
	report := g.report
	report.Findings = slices.DeleteFunc(slices.Clone(report.Findings), func(f verify.Finding) bool { return c.blind != "" && f.Code == c.blind })
	return p.Decide(policy.Facts{
		Request: policy.Request{Method: "GET", URL: &url.URL{Scheme: "https", Host: "control.example", Path: "/" + g.artifact.Name}},
		Update:  policy.Update{Name: g.artifact.Name, Format: g.artifact.Format, Size: g.artifact.Size, SHA256: g.artifact.Digests.SHA256},
		Report:  report, Now: g.now,
	}), nil
}
