package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

// Attacks on TUF and Sigstore are judged by a policy of the drill's own: who signs there is a matter of each site, and no
// policy names the drill's.
const (
	registryHost = "registry.example.com"
	updatesHost  = "updates.example.com"
	actionsURL   = "https://token.actions.githubusercontent.com"
)

// frameworks are an instance of Sigstore and TUF repositories whose keys exist in this process only.
type frameworks struct {
	instance     *sigstoretest.Instance
	repositories map[string]*tuftest.Repository
	published    map[string]tuftest.Files // of each repository
}

func newFrameworks() (frameworks, error) {
	f := frameworks{instance: sigstoretest.New("drill.example.com", time.Now().AddDate(0, 0, -1)), repositories: map[string]*tuftest.Repository{}, published: map[string]tuftest.Files{}}
	for _, d := range drillRepositories {
		r, err := tuftest.New(tuftest.Options{At: time.Now(), Seed: rand.Text(), Keys: 2, Threshold: 2})
		if err == nil {
			_, err = r.Publish() // once before there is anything, so that there is something to go back to
		}
		if err == nil {
			err = d.fill(r)
		}
		if err == nil {
			f.published[d.name], err = r.Publish()
		}
		if err != nil {
			return f, fmt.Errorf("making the repository %s: %w", d.name, err)
		}
		f.repositories[d.name] = r
	}
	return f, nil
}

// openRepositories has the origins serve the repositories, as they are when an attack begins.
func (r *drillRange) openRepositories() error {
	for _, d := range drillRepositories {
		state := tuftest.State{Files: r.published[d.name]}
		if d.begins != "" {
			var err error
			if state, err = underAttack(r.repositories[d.name], d.begins); err != nil {
				return err
			}
		}
		s := &repositorySite{}
		s.Set(state)
		r.at(repositoryHost(d.name), s)
	}
	return nil
}

func repositoryHost(name string) string { return name + "." + updatesHost }

// anchors returns the anchors that the drill's own policy names, in YAML.
func (f frameworks) anchors() string {
	var b strings.Builder
	for _, a := range [][2]string{
		{"axios", "https://github.com/axios/axios/.github/workflows/publish.yml@refs/tags/v*"},
		{"tanstack", "https://github.com/TanStack/query/.github/workflows/release.yml@refs/heads/main"},
	} {
		fmt.Fprintf(&b, "  %s: {sigstore: {issuer: %q, identity: %q, trusted_root: trusted_root.json}}\n", a[0], actionsURL, a[1])
	}
	for _, d := range drillRepositories {
		name := d.name
		fmt.Fprintf(&b, "  %s: {tuf: {root: %s-root.json, metadata: \"https://%s/metadata/\", targets: \"https://%s/targets/\"}}\n",
			name, name, repositoryHost(name), repositoryHost(name))
	}
	return b.String()
}

// policy returns the policy for attacks on TUF and Sigstore.
func (f frameworks) policy() []byte {
	var b strings.Builder
	b.WriteString("# Judges what a drill serves of TUF and Sigstore, as a policy does that names these vendors.\nversion: 1\nanchors:\n")
	b.WriteString(f.anchors())
	fmt.Fprintf(&b, frameworksChannels, registryHost)
	for _, d := range drillRepositories {
		name := d.name
		fmt.Fprintf(&b, "- {name: %s, hosts: [%s], require: [{signed_by: [%s]}]}\n", name, repositoryHost(name), name)
	}
	return []byte(b.String())
}

const frameworksChannels = `channels:
- name: axios
  hosts: [%[1]s]
  paths: ["/axios/**"]
  require:
  - provenance: {source: "https://github.com/axios/axios", ref: "refs/tags/v*", signed_by: [axios]}
- name: tanstack
  hosts: [%[1]s]
  paths: ["/@tanstack/**"]
  require:
  - provenance: {source: "https://github.com/TanStack/query", ref: refs/heads/main, builder: "https://github.com/actions/runner/*", signed_by: [tanstack]}
`

// writePolicy leaves the policy and its files in a folder.
func (f frameworks) writePolicy(dir, name string) error {
	files := map[string][]byte{name: f.policy(), "trusted_root.json": f.instance.TrustedRoot()}
	for name, r := range f.repositories {
		files[name+"-root.json"] = r.TrustedRoot(1)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// drillSite is an origin whose files can be looked at.
type drillSite interface {
	http.Handler
	published() map[string][]byte // by URL path, without the first slash
}

// fileSite serves files by path; what it has not is not found.
type fileSite struct {
	mu    sync.Mutex
	files map[string][]byte
}

func (s *fileSite) set(name string, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.files == nil {
		s.files = map[string][]byte{}
	}
	s.files[name] = body
}

func (s *fileSite) published() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]byte{}
	for name, body := range s.files {
		out[name] = body
	}
	return out
}

// ServeHTTP implements http.Handler.
func (s *fileSite) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, ok := s.published()[strings.TrimPrefix(req.URL.Path, "/")]
	if !ok {
		http.NotFound(w, req)
		return
	}
	http.ServeContent(w, req, path.Base(req.URL.Path), time.Time{}, bytes.NewReader(body))
}

// repositorySite serves a TUF repository.
type repositorySite struct{ tuftest.Server }

func (s *repositorySite) published() map[string][]byte { return s.State().Files }

// writeSite leaves what a site serves in a folder, below its host.
func writeSite(s drillSite, dir, host string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for name, body := range s.published() {
		name = filepath.Join(host, filepath.FromSlash(name))
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
