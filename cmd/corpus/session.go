package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/formats"
	"github.com/sallyport-project/sallyport/verify/tuf"
)

// origin is where samples of repositories pretend to be from.
const origin = "https://repository.example/"

// session is everything that samples are judged with.
type session struct {
	options
	store    *store
	rows     []row
	keys     keys
	examiner *verify.Examiner
	tmp      string // for the reference tools
	tools    tools
}

func newSession(ctx context.Context, o options, rows []row, st *store) (*session, error) {
	if _, err := os.Stat(filepath.Join(o.roots, "codesigning.pem")); err != nil {
		return nil, fmt.Errorf("-roots: %w (run it in the root of the repository)", err)
	}
	tmp, err := os.MkdirTemp("", "corpus-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	s := &session{options: o, store: st, rows: rows, tmp: tmp, tools: tools{databases: map[string]*database{}}}
	s.examiner = &verify.Examiner{Verifiers: formats.All(), Openers: formats.Openers(), Reviewers: formats.Reviewers()}
	if s.keys, err = readKeys(o.manifest, rows, st); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// afresh returns an Examiner to which every TUF repository is new: what is known of one would outlive a change to what it serves.
func afresh(e *verify.Examiner) *verify.Examiner {
	own := *e
	own.Verifiers = append(slices.DeleteFunc(slices.Clone(e.Verifiers), func(v verify.Verifier) bool { return v.Method() == "tuf" }), tuf.New())
	return &own
}

func (s *session) close() { os.RemoveAll(s.tmp) }

// subject is a file that is judged, as it would come in.
type subject struct {
	*sample
	kind   string
	root   string // of its repository below the store's directories; "" if it has none
	url    *url.URL
	trust  verify.Trust
	anchor []key // the keys in trust
	// believed is set where an authority that comes with the sample is trusted for once.
	believed string
	alias    map[string]string // what lies elsewhere than it is published, as in beside
	at       time.Time         // of judgement; zero is that of the flags
	bundle   string            // the file that is judged with it, as in the manifest; "" for what lies beside it by itself
	as       string            // where it is not judged as what the manifest says, what it is judged as
}

func (s *session) subject(r row, k kind, f *sample) *subject {
	out := &subject{sample: f, kind: r.kind}
	if parts := strings.Split(f.file, "/"); k.repository > 0 && len(parts) > k.repository {
		out.root = path.Join(parts[:k.repository]...)
		out.url, _ = url.Parse(origin + path.Join(parts[k.repository:]...))
	}
	if f.file != r.file {
		out.as = path.Base(f.file)
	}
	out.trust, out.anchor = s.keys.trust(k.trust, f.file)
	return out
}

// key names a subject among those of all samples.
func (f *subject) key() string { return f.file + " " + f.bundle }

// sidecars returns what lies beside the subject.
func (s *session) sidecars(f *subject) *beside {
	return &beside{store: s.store, dir: path.Dir(f.file), root: f.root, alias: f.alias, asked: map[string]bool{}}
}

// examine asks our verifiers, through the Examiner and with Taps as the proxy does.
func (s *session) examine(ctx context.Context, f *subject, data []byte, sidecars *beside) []verify.Finding {
	head := data[:min(len(data), verify.SniffLen)]
	at := s.at
	if !f.at.IsZero() {
		at = f.at
	}
	a := &verify.Artifact{
		Name: path.Base(f.file), URL: f.url, Size: int64(len(data)), Fetched: at, Content: bytes.NewReader(data),
		Format: verify.Sniff(head, path.Base(f.file)), Digests: verify.Digests{SHA256: sha256.Sum256(data)},
	}
	if tap := s.examiner.Tap(head); tap != nil {
		tap.Write(data)
		a.Digests.Taps = map[string][]byte{}
		tap.Sum(a.Digests.Taps)
	}
	examiner := s.examiner
	if len(f.trust.TUF) > 0 {
		examiner = afresh(examiner)
	}
	a.Role = examiner.Classify(a)
	return examiner.Examine(ctx, a, verify.Env{Sidecars: sidecars, Memory: &memory{}, Trust: f.trust, At: at}).Findings
}

// judge returns a result for each file that a sample is about, or one that says why there is none.
func (s *session) judge(ctx context.Context, r row) ([]result, error) {
	k, ok := kinds[r.kind]
	if !ok {
		return []result{{row: r, outcome: foreign, reason: notOfAKind[r.kind]}}, nil
	}
	all, why := s.subjects(r, k)
	if all == nil {
		return []result{{row: r, outcome: unjudged, reason: why}}, nil
	}
	var out []result
	for _, f := range all {
		result := s.compare(ctx, r, k, f)
		out = append(out, result)
		if r.kind == "authenticode-cat" {
			members, err := s.members(ctx, r, f)
			if err != nil {
				return nil, err
			}
			out = append(out, members...)
		}
	}
	return out, nil
}

// compare asks both sides about one file.
func (s *session) compare(ctx context.Context, r row, k kind, f *subject) result {
	found := s.examine(ctx, f, f.data, s.sidecars(f))
	result := result{row: r, subject: f, ours: oursOf(found), findings: found, reference: recorded(r.verdict)}
	if k.reference != nil {
		if live := k.reference(s, ctx, f); live.known || live.detail != "" {
			result.reference = live
		}
	}
	result.decide()
	return result
}
