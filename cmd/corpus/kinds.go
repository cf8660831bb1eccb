package main

import (
	"context"
	"path"
	"strings"
)

// kind is one kind of sample that is judged here.
type kind struct {
	// reference asks the reference tool; nil where there is none, and where the manifest's verdict is all there is.
	reference func(s *session, ctx context.Context, f *subject) verdict
	// signatures are the endings of files that are signatures of the file beside them.
	signatures []string
	// keys are the endings of files that are keys and no samples.
	keys []string
	// lists are the names of signed lists: what they list is judged.
	lists []string
	// repository is how many leading parts of a sample's name are the root of its repository; 0 means it has none.
	repository int
	trust      trustOf
	// laidOut returns the files that a sample is about where the samples do not lie as they are published; nil where they do.
	laidOut func(s *session, r row, found *sample) ([]*subject, string)
}

// trustOf says whom the operator trusts, for samples of a kind.
type trustOf uint8

const (
	embedded   trustOf = iota // the roots that are built in
	keyrings                  // and the OpenPGP keys of the manifest from the sample's own family
	bareKeys                  // and its minisign and signify keys
	secureBoot                // and the authorities for Secure Boot beside the manifest
)

var kinds = map[string]kind{
	"authenticode-pe":         {reference: (*session).osslsigncode},
	"authenticode-pe-derived": {reference: (*session).osslsigncode},
	"authenticode-msi":        {reference: (*session).osslsigncode},
	"authenticode-cat":        {reference: (*session).osslsigncode},
	"authenticode-appx":       {reference: (*session).osslsigncode},
	"authenticode-ps":         {reference: (*session).osslsigncode},
	"authenticode-efi":        {reference: (*session).sbverify, trust: secureBoot},
	"nuget":                   {},
	"vsix-opc":                {},
	"vsix-sigzip":             {},
	"openpgp-detached":        {reference: (*session).gpgv, signatures: []string{".asc", ".sig", ".gpg"}, trust: keyrings},
	"minisign":                {reference: (*session).minisign, signatures: []string{".minisig", ".signify"}, keys: []string{".pub"}, trust: bareKeys},
	"signify":                 {reference: (*session).signify, keys: []string{".pub", ".pub.old"}, lists: []string{"SHA256", "SHA256.sig"}, trust: bareKeys},
	"rpm":                     {reference: (*session).rpmkeys, trust: keyrings},
	"rpm-repo":                {reference: (*session).rpmkeys, signatures: []string{".asc"}, keys: []string{".gpg"}, repository: 2, trust: keyrings},
	"kernel-module-cms":       {trust: secureBoot},
	"sigstore-bundle":         {laidOut: (*session).bundles},
	"slsa-provenance":         {laidOut: (*session).bundles},
	"slsa-vsa":                {laidOut: (*session).bundles},
	"npm-attestations":        {laidOut: (*session).attestations},
	"tuf":                     {laidOut: (*session).repositories},
}

// notOfAKind are kinds that look like one of the above, with the reason why they are not judged.
var notOfAKind = map[string]string{
	"npm-keys":                    "keys of a registry, by which npm-attestations are judged",
	"tuf-seed":                    "a root to begin with, and no repository",
	"tuf-vectors":                 "recorded cases of public suites: the drivers of these run them against cmd/conformance",
	"authenticode-appx-signature": "a signature without its package",
	"openpgp-dsc":                 "a list of a source package's files (deb822); lists of digests that are looked for beside a file are those of chapter checksums",
}

// subjects returns the files that a sample is about, or the reason why there is none.
func (s *session) subjects(r row, k kind) ([]*subject, string) {
	for _, end := range k.keys {
		if strings.HasSuffix(r.file, end) {
			return nil, "a key"
		}
	}
	found := s.store.find(r.file, r.sha256)
	if found == nil {
		return nil, "the sample is not there"
	}
	if k.laidOut != nil {
		return k.laidOut(s, r, found)
	}
	for _, name := range k.lists {
		if path.Base(r.file) == name {
			return s.listed(r, k, found)
		}
	}
	for _, end := range k.signatures {
		if file, ok := strings.CutSuffix(r.file, end); ok {
			if found = s.store.find(file, ""); found == nil {
				return nil, "a signature; its file is not there"
			}
			return []*subject{s.subject(r, k, found)}, ""
		}
	}
	if len(k.signatures) > 0 && k.repository == 0 && !s.hasSignature(found.file, k) {
		return nil, "a file; its signature is not there"
	}
	return []*subject{s.subject(r, k, found)}, ""
}

func (s *session) hasSignature(file string, k kind) bool {
	for _, end := range k.signatures {
		if s.store.find(file+end, "") != nil {
			return true
		}
	}
	return false
}

// listed returns those files of a signed list that are there.
func (s *session) listed(r row, k kind, list *sample) ([]*subject, string) {
	var out []*subject
	for line := range strings.Lines(string(list.data)) {
		_, rest, _ := strings.Cut(line, "(")
		if name, _, ok := strings.Cut(rest, ") ="); ok {
			if f := s.store.find(path.Join(path.Dir(r.file), name), ""); f != nil {
				out = append(out, s.subject(r, k, f))
			}
		}
	}
	if out == nil {
		return nil, "a signed list; none of the files that it lists is there"
	}
	return out, ""
}
