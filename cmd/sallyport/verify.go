package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/verify"
)

// verifyFlags are the flags of `verify`.
type verifyFlags struct {
	settings
	policy, channel, url, sidecars, at string
	asJSON                             bool
}

func newVerify() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify FILE...",
		Short: "Judge files as the proxy would",
		Long: `Examine files and judge them by the policy, exactly as the proxy does with what it fetches. --channel or --url says
which channel judges; with neither, the defaults of the policy do, and what is inside is shown as well. Evidence that is
published beside a file, or where an anchor of the policy says, is taken from the folder of --sidecars (by host and path
of its URL, by path, or by base name), else from there; without --sidecars and --url nothing is fetched. What the proxy
remembers and what was released by hand in its state directory counts, if there is one, and is left as it is.

The exit code is 0 if all files are allowed, 1 if one is refused, 2 if one could not be judged.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return advise(errors.New("verify needs a file"), "usage: "+cmd.UseLine())
			}
			j, err := f.judge(cmd)
			if err != nil {
				return err
			}
			defer j.close()
			return j.all(cmd, args, f.asJSON)
		},
	}
	f.addTo(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.policy, "policy", "", "policy `FILE`; without one what the configuration says, else the built-in policy")
	flags.StringVar(&f.channel, "channel", "", "`NAME` of the channel that judges")
	flags.StringVar(&f.url, "url", "", "`URL` that the file is from")
	flags.StringVar(&f.sidecars, "sidecars", "", "`DIR` with what is published beside the file, found by URL path or base name")
	flags.StringVar(&f.at, "at", "", "`TIME` of judgement, like 2026-11-22T15:04:05Z; now without it")
	flags.BoolVar(&f.asJSON, "json", false, "print a JSON document for each file, as the audit log has it")
	cmd.MarkFlagFilename("policy", "yaml", "yml")
	cmd.MarkFlagDirname("sidecars")
	return cmd
}

// judge is everything that files are judged with.
type judge struct {
	policy   *policy.Policy
	request  policy.Request
	plan     policy.Plan
	inside   bool // what is inside is looked at
	examiner *verify.Examiner
	sidecars verify.Sidecars
	memory   verify.Memory
	trust    verify.Trust
	inquirer *proxy.Inquirer // what else files are judged by
	origin   *url.URL        // where they may be asked for again; nil is nowhere
	at       time.Time
	closers  []io.Closer
}

func (j *judge) close() {
	for _, c := range j.closers {
		c.Close()
	}
}

// judge gathers what the flags ask for.
func (f *verifyFlags) judge(cmd *cobra.Command) (_ *judge, err error) {
	c, dir, err := f.load()
	if err != nil {
		return nil, err
	}
	if f.policy != "" {
		c.Policy = f.policy
	}
	logger := newLogger(logConfig{Level: logLevel(zap.ErrorLevel), Format: "console"}, cmd.ErrOrStderr())
	j := &judge{examiner: examiner(c, logger), inquirer: &proxy.Inquirer{Sums: new(proxy.Sums), Logger: logger}, at: time.Now(), request: policy.Request{Method: http.MethodGet}}
	defer func() {
		if err != nil {
			j.close()
		}
	}()
	if f.at != "" {
		if j.at, err = parseTime(f.at); err != nil {
			return nil, fmt.Errorf("--at: %w", err)
		}
	}
	if j.policy, err = loadPolicy(c.Policy); err != nil {
		return nil, err
	}
	if err := f.ask(j); err != nil {
		return nil, err
	}
	base, err := loadTrust(c.Trust.or(dir))
	if err != nil {
		return nil, err
	}
	if base, err = keptRevocations(dir, base, logger); err != nil {
		return nil, err
	}
	j.trust = j.policy.Trust(base)
	if f.channel != "" || f.url != "" {
		j.trust = j.trust.Only(j.plan.Anchors) // as the gate does; whoever names no channel asks what there is to know
	}
	if err := f.openSidecars(c, j); err != nil {
		return nil, err
	}
	if err := f.openState(cmd.Context(), dir, j); err != nil {
		return nil, err
	}
	if err := f.openOthers(c, dir, j); err != nil {
		return nil, err
	}
	return j, f.openFeeds(cmd, dir, c.Policy, j)
}

// ask says to the policy what is asked for: a URL, a channel, both or neither.
func (f *verifyFlags) ask(j *judge) (err error) {
	if f.url != "" {
		if j.request.URL, err = parseWebURL(f.url); err != nil {
			return fmt.Errorf("--url: %w", err)
		}
	}
	if f.channel != "" || f.url == "" {
		if f.channel != "" {
			if names := j.policy.Channels(); !slices.Contains(names, f.channel) {
				err := fmt.Errorf("--channel: the policy has no channel %q", f.channel)
				if near := nearest(f.channel, names); near != "" {
					return advise(err, "did you mean: "+near)
				}
				return err
			}
		}
		j.request.Carried = []policy.Carried{{Scope: f.channel}}
	}
	j.plan = j.policy.Plan(j.request)
	// Whoever names no channel asks what there is to know.
	j.inside = j.plan.Contents || f.channel == "" && f.url == ""
	return nil
}

// openSidecars decides where evidence beside the files comes from. As for the gate, nothing is fetched that no
// channel requires.
func (f *verifyFlags) openSidecars(c config, j *judge) error {
	j.sidecars = verify.NoSidecars{}
	switch {
	case f.sidecars != "":
		root, err := os.OpenRoot(f.sidecars)
		if err != nil {
			return fmt.Errorf("--sidecars: %w", err)
		}
		j.closers = append(j.closers, root)
		j.sidecars = &folderSidecars{root: root, base: j.request.URL}
	case f.url != "" && j.plan.Sidecars:
		upstream, err := buildUpstream(c, nil)
		if err != nil {
			return err
		}
		j.sidecars = &originSidecars{upstream: upstream, policy: j.policy, base: j.request.URL, sources: proxy.NewSources(j.trust.Sources())}
	case j.plan.Sidecars:
		j.sidecars = noneGiven{}
	}
	return nil
}

// noneGiven stands for evidence that a channel requires and that nobody said where to look for: what it would prove
// could not be told.
type noneGiven struct{}

// Fetch implements verify.Sidecars.
func (noneGiven) Fetch(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New("not looked for: say where with --sidecars DIR, or --url URL")
}

// openState takes up what a proxy remembers, without changing it. A state directory that nobody named may be missing,
// or be somebody else's.
func (f *verifyFlags) openState(ctx context.Context, dir stateDir, j *judge) error {
	j.inside = j.inside || recalls(ctx, dir)
	releases := new(proxy.Releases)
	j.memory = &overlay{}
	if info, err := os.Stat(dir.memory()); err == nil && info.IsDir() {
		m, err := proxy.NewMemory(dir.memory())
		if err != nil {
			return err
		}
		j.memory = &overlay{under: m}
	}
	if _, err := os.ReadDir(dir.log()); err == nil {
		err := recallReleases(ctx, dir, releases)
		if err != nil && !os.IsPermission(err) {
			return err
		}
		if err := j.openHistory(ctx, dir); err != nil {
			return err
		}
	} else if f.state != "" {
		return fmt.Errorf("opening the state: %w", err)
	}
	j.inquirer.Releases = releases
	return nil
}

// hintURL says that the channel trusts a TUF repository, whose word cannot be had without a URL.
func (j *judge) hintURL(w io.Writer) {
	if j.request.URL != nil || len(j.trust.TUF) == 0 || j.plan.Scope == "" {
		return
	}
	a := j.trust.TUF[0]
	fmt.Fprintf(w, "sallyport: hint: anchor %s is a TUF repository, which knows files by their URLs below %s: say which one it is with --url URL\n",
		printable.Text(a.Anchor, 200), printable.Text(a.Targets, 300))
}

// all judges one file after the other, and returns what the worst of them deserves.
func (j *judge) all(cmd *cobra.Command, files []string, asJSON bool) error {
	if r := j.plan.Refusal; r != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: the proxy would refuse the request itself: %s (%s)\n", printable.Text(r.Reason, 500), printable.Text(r.Rule, 200))
	} else if !j.plan.Inspect {
		fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: the policy passes this host through unseen; this is what it would say if it did not\n")
	}
	j.hintURL(cmd.ErrOrStderr())
	refused, failed := 0, 0
	for _, name := range files {
		rec, _, err := j.one(cmd, name)
		if err != nil {
			failed++
			complain(cmd.ErrOrStderr(), err)
			continue
		}
		if rec.Decision.Action != policy.Allow {
			refused++
		}
		if asJSON {
			err = listRecords(cmd.OutOrStdout(), []audit.Record{rec}, true)
		} else {
			printVerdict(cmd.OutOrStdout(), name, rec)
		}
		if err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return fmt.Errorf("%d of %d files could not be judged", failed, len(files))
	case refused > 0 && len(files) > 1:
		return &refusal{fmt.Sprintf("%d of %d files are refused", refused, len(files))}
	case refused > 0:
		return &refusal{}
	}
	return nil
}

// one examines and judges one file.
func (j *judge) one(cmd *cobra.Command, name string) (audit.Record, policy.Facts, error) {
	f, err := os.Open(name)
	if err != nil {
		return audit.Record{}, policy.Facts{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return audit.Record{}, policy.Facts{}, err
	}
	if !info.Mode().IsRegular() {
		return audit.Record{}, policy.Facts{}, fmt.Errorf("%s is no file", printable.Text(name, 200))
	}
	bar := newProgress(cmd.ErrOrStderr(), "reading "+printable.Text(filepath.Base(name), 40))
	a, err := j.receive(f, info.Size(), j.artifactName(name), bar.update)
	bar.end()
	if err != nil {
		return audit.Record{}, policy.Facts{}, fmt.Errorf("reading %s: %w", printable.Text(name, 200), err)
	}
	report := j.examiner.Examine(cmd.Context(), a, verify.Env{Sidecars: j.sidecars, Memory: j.memory, Trust: j.trust, At: j.at, Inside: j.inside})
	facts := j.facts(cmd.Context(), a, report)
	d := j.policy.Decide(facts)
	findings, contents := audit.OfReport(report)
	rec := audit.Record{
		V: 1, Kind: audit.KindDecision, Time: j.at.UTC(), Channel: d.Channel,
		Artifact: &audit.Artifact{
			Name: printable.Text(a.Name, 1000), Format: a.Format, Role: a.Role.String(), Size: a.Size, SHA256: a.Digests.SHA256,
			Product: printable.Text(report.Product, 1000), Version: printable.Text(report.Version, 1000),
		},
		Findings: findings, Contents: contents, Evidence: report.Evidence, Decision: audit.DecisionFrom(d),
		Editions: facts.History.Editions, Facts: audit.CircumstancesOf(j.policy, facts),
	}
	if j.request.URL != nil {
		rec.Request = &audit.Request{Method: http.MethodGet, URL: audit.RedactURL(j.request.URL.String())}
	}
	return rec, facts, nil
}

// artifactName is the name by which a file is known: that in the URL, as for the gate, else its own.
func (j *judge) artifactName(file string) string {
	if u := j.request.URL; u != nil {
		if base := path.Base(u.Path); base != "." && base != "/" {
			return base
		}
	}
	return filepath.Base(file)
}

// receive reads a file once, as the vault does with what comes in: hashed, and seen by the verifiers' taps.
func (j *judge) receive(f *os.File, size int64, name string, progress func(done, total int64)) (*verify.Artifact, error) {
	head := make([]byte, min(size, verify.SniffLen))
	if _, err := f.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	tap := j.examiner.Tap(head)
	var also io.Writer = io.Discard
	if tap != nil {
		also = tap
	}
	digest, n, err := hashFile(io.TeeReader(&watchedReader{r: f, total: size, tell: progress}, also))
	if err != nil {
		return nil, err
	}
	if n != size {
		return nil, errors.New("it changed meanwhile")
	}
	a := &verify.Artifact{
		Name: name, URL: j.request.URL, Size: size, Digests: verify.Digests{SHA256: digest}, Fetched: j.at,
		Format: verify.Sniff(head, name), Content: io.NewSectionReader(f, 0, size),
	}
	if tap != nil {
		a.Digests.Taps = map[string][]byte{}
		tap.Sum(a.Digests.Taps)
	}
	a.Role = j.examiner.Classify(a)
	return a, nil
}

// printVerdict prints what a person wants to know: the verdict first, then why, then what was found.
func printVerdict(w io.Writer, name string, r audit.Record) {
	on := ""
	if r.Channel != "" {
		on = " on " + channelName(r.Channel)
	}
	observed := ""
	if r.Decision.Observed {
		observed = " (observed only: it would be delivered)"
	}
	fmt.Fprintf(w, "%s: %s%s by %s%s\n", printable.Text(name, 500), r.Decision.Action, on, printable.Text(r.Decision.Rule, 200), observed)
	p := paragraph{w}
	for _, reason := range r.Decision.Reasons {
		p.text("reason", reason)
	}
	p.line("file", "%s, %s, %d bytes", orDash(string(r.Artifact.Format)), r.Artifact.Role, r.Artifact.Size)
	p.text("sha256", r.Artifact.SHA256.String())
	p.changes(r)
	p.contents(r.Contents)
	p.findings(r.Findings)
	p.evidence(r.Evidence)
}
