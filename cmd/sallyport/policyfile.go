package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"

	"github.com/sallyport-project/sallyport/configs"
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/policy/audit/replay"
	"github.com/sallyport-project/sallyport/proxy"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// loadPolicy reads the policy file at path; "" means the built-in policy.
func loadPolicy(path string) (*policy.Policy, error) {
	p, _, err := readPolicy(path)
	return p, err
}

// readPolicy is loadPolicy, and returns what the policy was made of, also after an error.
func readPolicy(path string) (*policy.Policy, *policySource, error) {
	if path == "" {
		data, err := configs.Policy()
		if err != nil {
			return nil, &policySource{}, err
		}
		p, err := policy.Parse("built-in "+configs.PolicyName, configs.Files(), data, fromCatalogue())
		return p, &policySource{}, err
	}
	data, err := readSmall(path, maxPolicy)
	if err != nil {
		return nil, &policySource{names: []string{path}}, fmt.Errorf("reading policy: %w", err)
	}
	named := newNamedFiles(path)
	catalogue := &catalogueFiles{of: configs.Files(), read: map[string][]byte{}}
	p, err := policy.Parse(path, named, data, policy.WithCatalogue(catalogue))
	if err == nil {
		err = checkPolicyLists(p)
	}
	if err == nil {
		err = checkPolicyRoots(p)
	}
	return p, named.source(data, path, catalogue), advisePolicy(err)
}

// fromCatalogue lets policies use the catalogue that the program carries within itself.
func fromCatalogue() policy.Option { return policy.WithCatalogue(configs.Files()) }

// maxPolicy is the largest policy file that is read, in bytes.
const maxPolicy = 16 << 20

// advisePolicy adds what to do about a policy that cannot be loaded.
func advisePolicy(err error) error {
	var all policy.Errors
	if errors.As(err, &all) {
		return advise(err, "`sallyport policy schema` prints what a policy file may hold")
	}
	return err
}

// policyName is what people call the policy at path.
func policyName(path string) string {
	if path == "" {
		return "the built-in policy"
	}
	return path
}

// policyFile is the policy in force and where it comes from. Current may be called by many goroutines; reload by one
// at a time.
type policyFile struct {
	path    string // "" for the built-in policy
	append  func(audit.Record) (audit.Receipt, error)
	metrics *proxy.Metrics
	log     *zap.Logger

	enforced func() // called when another policy has come into force; may be nil
	// prepare gets ready what a policy needs that is to come into force, or says why it cannot; settled is called when it has, or
	// has not. It may be nil.
	prepare func(*policy.Policy) (settled func(inForce bool) error, err error)
	// loosening says what a policy would let through that was refused and that the one in force refuses.
	loosening func(ctx context.Context, inForce, next *policy.Policy) (*replay.Loosened, error)
	approvals *console.Approvals // of people who confirm together; may be nil
	dir       stateDir           // where the policy in force is kept

	current atomic.Pointer[policy.Policy]
	loading sync.Mutex // held while the file is read and judged

	mu      sync.Mutex // guards what follows
	problem string     // why the file as it is now is not in force; "" if it is
	held    held       // the last policy that was found to loosen
	files   []string   // what was read or looked for when it was loaded last
	watcher *fsnotify.Watcher
}

// enforce records a policy and puts it in force. A policy whose record cannot be stored does not come into force.
func (f *policyFile) enforce(p *policy.Policy, what string, loosening *audit.Loosening) error {
	if f.prepare != nil {
		settled, err := f.prepare(p)
		if err != nil {
			return err
		}
		defer func() { f.settle(settled, f.current.Load() == p) }()
	}
	_, err := f.append(audit.Record{
		Kind: audit.KindPolicy, Message: fmt.Sprintf("%s %s, sha256:%s", what, policyName(f.path), p.Digest()), Loosening: loosening,
	})
	if err != nil {
		return fmt.Errorf("recording the policy: %w", err)
	}
	f.current.Store(p)
	if f.enforced != nil {
		f.enforced()
	}
	f.log.Info("policy "+strings.TrimSuffix(what, ","), zap.String("policy", policyName(f.path)), zap.Stringer("sha256", p.Digest()), zap.Strings("channels", p.Channels()))
	for _, w := range p.Warnings(time.Now()) {
		f.log.Warn("policy", zap.String("warning", printable.Text(w.String(), 1000)))
	}
	return nil
}

func (f *policyFile) settle(settled func(bool) error, inForce bool) {
	if err := settled(inForce); err != nil {
		f.log.Error("taking up what the policy in force needs", zap.Error(err))
	}
}

// setProblem reports whether text is news.
func (f *policyFile) setProblem(text string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	news := f.problem != text
	f.problem = text
	return news
}

// announced names the policy in force for whoever has started the server.
func (f *policyFile) announced() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if strings.HasPrefix(f.problem, looseningPrefix) {
		return policyName(f.path) + ", as it was before: what it holds now loosens, and is not in force until `" + confirmCommand + "`"
	}
	return policyName(f.path)
}

// health is the policy's part in /readyz.
func (f *policyFile) health(context.Context) (console.Health, string) {
	f.mu.Lock()
	problem := f.problem
	f.mu.Unlock()
	p := f.current.Load()
	switch {
	case p == nil:
		return console.Failing, "no policy is in force"
	case problem != "":
		what := "the file is broken"
		if strings.HasPrefix(problem, looseningPrefix) {
			what = "the file is not in force"
		}
		return console.Warning, fmt.Sprintf("%s, sha256:%s stays in force: %s", what, p.Digest(), problem)
	}
	return console.Good, fmt.Sprintf("%s, sha256:%s", policyName(f.path), p.Digest())
}
