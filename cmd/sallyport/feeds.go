package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/alert"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// feedsOf returns the feeds of the policy at path. Files get the same names whoever asks and from wherever, since what a server
// keeps of a list is found by its name.
func feedsOf(p *policy.Policy, path string) []reputation.Feed {
	folder := filepath.Dir(path)
	if whole, err := filepath.Abs(folder); err == nil {
		folder = whole
	}
	return proxy.FeedsOf(p, func(name string) string {
		if filepath.IsAbs(name) {
			return filepath.Clean(name)
		}
		return filepath.Join(folder, name)
	})
}

// checkFeeds reads the lists of a policy that are files, besides those that are known already. The errors are policy.Errors;
// notes are what could not be read of lists that can be used all the same.
func checkFeeds(ctx context.Context, p *policy.Policy, path string, known []reputation.Feed) (notes []string, err error) {
	var wrong policy.Errors
	places := p.Feeds()
	for i, f := range feedsOf(p, path) {
		if f.File == "" || slices.ContainsFunc(known, func(k reputation.Feed) bool { return k.File == f.File && k.Reading == f.Reading }) {
			continue
		}
		summary, err := reputation.Check(ctx, f, time.Now())
		for _, problem := range summary.Problems {
			if err == nil { // else the error names the first
				notes = append(notes, fmt.Sprintf("%s:%d:%d: feed %s: cannot read %s (in %s)", path, places[i].Line, places[i].Position, f.Name, problem, places[i].File))
			}
		}
		if err != nil {
			e := policy.Error{File: path, Line: places[i].Line, Column: places[i].Position, Message: printable.Text(err.Error(), 500)}
			if errors.Is(err, fs.ErrNotExist) {
				e.Hint = "file names are relative to the policy file"
			}
			wrong = append(wrong, e)
		}
	}
	if len(wrong) > 0 {
		return notes, wrong
	}
	return notes, nil
}

// policyFeeds keeps the lists of the policy in force.
type policyFeeds struct {
	*reputation.Feeds
	path    string
	inForce []reputation.Feed

	ignore  func(*policy.Policy) // is told which policy's lists are looked at
	current func() *policy.Policy
}

// openFeeds takes up the lists of the policy in force. Lists at URLs are asked for once r is being watched.
func (r *running) openFeeds() error {
	defined := feedsOf(r.policy.current.Load(), r.policy.path)
	r.owner.ignoreFeeds(r.policy.current.Load())
	feeds, err := reputation.Open(context.Background(), defined, reputation.Options{Dir: r.owner.dir.feeds(), Transport: r.upstream, Tell: r.tellFeed})
	if err != nil {
		return fmt.Errorf("opening the feeds: %w", err)
	}
	r.feeds = &policyFeeds{feeds, r.policy.path, defined, r.owner.ignoreFeeds, r.policy.current.Load}
	r.policy.prepare = r.feeds.prepare
	r.metrics.WatchFeeds(func() []reputation.State { return feeds.View().States(time.Now()) })
	return nil
}

// prepare loads the lists of a policy that is about to come into force, beside those that are in force; settled says whether it
// did. A list in a file that cannot be used keeps the policy from being put in force.
func (f *policyFeeds) prepare(p *policy.Policy) (settled func(inForce bool) error, err error) {
	ctx := context.Background()
	if _, err := checkFeeds(ctx, p, f.path, f.inForce); err != nil {
		return nil, err
	}
	next := feedsOf(p, f.path)
	both := slices.Clone(next)
	for _, old := range f.inForce {
		if !slices.ContainsFunc(next, func(n reputation.Feed) bool { return n.Name == old.Name }) {
			both = append(both, old)
		}
	}
	f.ignore(p)
	if err := f.Configure(ctx, both); err != nil {
		f.ignore(f.current())
		return nil, fmt.Errorf("taking up the feeds: %w", err)
	}
	return func(inForce bool) error {
		if inForce {
			f.inForce = next
		} else {
			f.ignore(f.current())
		}
		return f.Configure(ctx, f.inForce)
	}, nil
}

// tellFeed writes down what has become of a list.
func (r *running) tellFeed(n reputation.Notice) {
	fields := []zap.Field{zap.String("feed", n.Feed), zap.String("what", string(n.What)), zap.String("text", printable.Text(n.Text, 500)), zap.Int("entries", n.Entries)}
	r.owner.regrets.Changed(n)
	if n.What == reputation.Failed || n.What == reputation.TurnedOld {
		r.logger.Warn("feed", fields...)
		r.alerts.Tell(alert.OfFeed(n.Feed, string(n.What), n.Text, n.At))
	} else {
		r.logger.Info("feed", fields...)
	}
	message := printable.Text(fmt.Sprintf("feed %s %s: %s", n.Feed, n.What, n.Text), 1000)
	if !n.Digest.IsZero() {
		message += ", sha256:" + n.Digest.String()
	}
	if _, err := r.owner.append(audit.Record{Kind: audit.KindLearn, Message: message}); err != nil {
		r.logger.Error("recording what has become of a feed", zap.Error(err))
	}
}

// feedsHealth is the feeds' part in /readyz.
func (r *running) feedsHealth(context.Context) (console.Health, string) {
	states := r.feeds.View().States(time.Now())
	var bad []string
	for _, s := range states {
		if s.Status != reputation.Fresh {
			bad = append(bad, printable.Text(s.Feed+" is "+s.Status.String()+": "+s.Reason, 300))
		}
	}
	if len(bad) > 0 {
		return console.Warning, strings.Join(bad, "; ")
	}
	return console.Good, count(len(states), "feed")
}

// openFeeds takes up the lists of the policy as a server has kept them, and as they are in files, without changing anything.
func (f *verifyFlags) openFeeds(cmd *cobra.Command, dir stateDir, path string, j *judge) error {
	if len(j.plan.Feeds) == 0 {
		return nil
	}
	o := reputation.Options{ReadOnly: true, Now: func() time.Time { return j.at }}
	if _, err := os.ReadDir(dir.feeds()); err == nil || !errors.Is(err, fs.ErrNotExist) {
		o.Dir = dir.feeds()
	}
	feeds, err := reputation.Open(cmd.Context(), feedsOf(j.policy, path), o)
	if err != nil {
		return fmt.Errorf("opening the feeds: %w", err)
	}
	j.inquirer.Feeds = feeds.View
	for _, name := range j.plan.Feeds {
		if s := feeds.View().State(name, j.at); s.Status != reputation.Fresh {
			fmt.Fprintf(cmd.ErrOrStderr(), "sallyport: feed %s is %s: %s\n", name, s.Status, printable.Text(s.Reason, 500))
		}
	}
	return nil
}
