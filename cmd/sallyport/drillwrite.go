package main

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/verify/apt/apttest"
)

// drillFolder is where a drill leaves what it has served, with the roots, a configuration and a policy to look at it
// with:
//
//	NAME/genuine/  what the vendor would have sent
//	NAME/attack/   what was sent instead
//	roots.pem      the root of every signer and timestamp; nobody has its key any more
//	archive.asc    the key of the apt archives
//	sallyport.yaml, policy.yaml, README.txt
//	own/           the policy for attacks on TUF and Sigstore, with the roots that it names
//
// What is on the host of a TUF repository, or of a registry, lies below the name of the host.
type drillFolder string

// openDrillFolder makes the folder, or takes an empty one.
func openDrillFolder(dir string) (drillFolder, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	if len(entries) > 0 {
		return "", advise(fmt.Errorf("--write: %s is not empty", printable.Text(dir, 300)), "name a folder that does not exist yet")
	}
	return drillFolder(dir), nil
}

// shot writes one file that was served, and returns where it is. Of an archive all its files are written, each at its
// path, since a package says nothing without its indexes.
func (d drillFolder) shot(r *drillRange, attack string, s drillShot) (string, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return "", err
	}
	side := "attack"
	if s.genuine {
		side = "genuine"
	}
	name := path.Base(u.Path)
	r.mu.Lock()
	archive, isArchive := r.serve[u.Host].(*apttest.Archive)
	from, isSite := r.serve[u.Host].(drillSite)
	r.mu.Unlock()
	folder := filepath.Join(string(d), attack, side)
	if isArchive {
		name = u.Path
		if err := archive.WriteFiles(filepath.Join(folder, "debian")); err != nil {
			return "", fmt.Errorf("--write: %w", err)
		}
	}
	if isSite {
		name = path.Join(u.Host, u.Path)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return "", fmt.Errorf("--write: %w", err)
		}
		if err := writeSite(from, folder, u.Host); err != nil {
			return "", fmt.Errorf("--write: %w", err)
		}
	}
	file := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	if err := os.WriteFile(file, s.body, 0o644); err != nil {
		return "", fmt.Errorf("--write: %w", err)
	}
	return file, nil
}

// rest writes everything but the files that were served.
func (d drillFolder) rest(k *drillKeys, results []drillResult) error {
	key, err := k.archive.Public()
	if err == nil && slices.ContainsFunc(results, func(r drillResult) bool { return r.attack.own }) {
		err = k.writePolicy(filepath.Join(string(d), "own"), "policy.yaml")
	}
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	readme, err := d.readme(results)
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	for name, data := range map[string][]byte{
		"roots.pem":      pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.vendors.Certificate.Raw}),
		"archive.asc":    key,
		"sallyport.yaml": []byte(drillConfigText),
		"policy.yaml":    []byte(drillPolicyText),
		"README.txt":     readme,
	} {
		err = errors.Join(err, os.WriteFile(filepath.Join(string(d), name), data, 0o644))
	}
	if err != nil {
		return fmt.Errorf("--write: %w", err)
	}
	return nil
}

// readme says what is there and how to look at it.
func (d drillFolder) readme(results []drillResult) ([]byte, error) {
	type file struct{ Path, What, Flags string }
	var files []file
	for _, res := range results {
		for _, row := range res.rows {
			rel, err := filepath.Rel(string(d), row.file)
			if err != nil {
				return nil, err
			}
			f := file{Path: filepath.ToSlash(rel), What: row.shot.what, Flags: "--url " + row.shot.url}
			switch head, _, ok := strings.Cut(f.Path, "/debian/"); {
			case res.attack.own:
				f.Flags = "--policy own/policy.yaml " + f.Flags + " --sidecars " + path.Join(strings.SplitN(f.Path, "/", 3)[:2]...)
			case ok:
				f.Flags += " --sidecars " + head
			}
			files = append(files, f)
		}
	}
	var b bytes.Buffer
	err := template.Must(template.New("").Parse(drillReadmeText)).Execute(&b, files)
	return b.Bytes(), err
}

// drillConfigText takes the drill's root for the root of all signers, and keeps away from the user's own state.
const drillConfigText = `# Believes the signers of a drill, and nobody else. Never serve with it.
state: state
policy: policy.yaml
trust:
  code_signing: roots.pem
  timestamping: roots.pem
`

// drillPolicyText judges what a drill serves. The channel signed-by is there to show what it lets through.
const drillPolicyText = `# Judges the files of a drill, as the built-in policy does with those of the real vendors.
version: 1
anchors:
  threecx: {authenticode: {organization: 3CX Ltd}}
  microsoft: {authenticode: {organization: Microsoft Corporation}}
  notepad-plus-plus: {authenticode: {organization: Notepad++}}
  escan: {authenticode: {organization: MicroWorld Technologies Inc.}}
  debian: {openpgp: {keyring: archive.asc, suites: [bookworm, bookworm-updates, trixie]}}
channels:
# Who signed the installer, and nothing else.
- name: signed-by
  hosts: [signed-by.example]
  require:
  - signed_by: [threecx]
# And who signed each executable inside, every byte accounted for, nothing out of the ordinary.
- name: contents
  hosts: [downloads-global.3cx.com]
  require:
  - signed_by: [threecx]
  - contents: {signed_by: [threecx, microsoft], strict: true}
- {name: microsoft, hosts: [download.microsoft.com], require: [{signed_by: [microsoft]}]}
- {name: notepad-plus-plus, hosts: [notepad-plus-plus.org], require: [{signed_by: [notepad-plus-plus]}]}
- {name: escan, hosts: ["*.mwti.net"], require: [{signed_by: [escan]}]}
- {name: debian, hosts: ["*.debian.org"], require: [{signed_by: [debian]}]}
`

const drillReadmeText = `What a drill has served. Nothing here does anything: the programs do nothing, what looks like a payload is
noise, and the keys that signed are gone. The names of vendors are in certificates that only roots.pem vouches for.

From this folder:

  sallyport verify --config sallyport.yaml --channel signed-by FILE.msi    by who signed the installer alone
  sallyport verify --config sallyport.yaml --channel contents FILE.msi     by everything inside as well
  osslsigncode verify -CAfile roots.pem -TSA-CAfile roots.pem -in FILE     what another tool says

and each file by the channel of its URL:
{{range .}}
# {{.What}}
sallyport verify --config sallyport.yaml {{.Flags}} {{.Path}}
{{end}}
An old release is well signed, and so is an old timestamp. That it is older than what was seen before is known to a proxy only that has seen it:
"sallyport drill replay" and "sallyport drill tuf-rollback" show that, these files do not.
`
