package sigstore

import (
	"encoding/json"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// families are the types of predicate that are read, and which family of verify.Attestation they belong to.
var families = map[string]struct {
	name string
	read func(a *verify.Attestation, s *Statement, predicate object)
}{
	"https://slsa.dev/provenance/v0.1":                                {"slsa", slsaV01},
	"https://slsa.dev/provenance/v0.2":                                {"slsa", slsaV02},
	"https://slsa.dev/provenance/v1":                                  {"slsa", slsaV1},
	"https://slsa.dev/verification_summary/v0.1":                      {"vsa", vsa},
	"https://slsa.dev/verification_summary/v0.2":                      {"vsa", vsa},
	"https://slsa.dev/verification_summary/v1":                        {"vsa", vsa},
	"https://github.com/npm/attestation/tree/main/specs/publish/v0.1": {"npm-publish", npmPublish},
	"https://in-toto.io/attestation/release/v0.1":                     {"github-release", githubRelease},
	"https://in-toto.io/attestation/release/v0.2":                     {"github-release", githubRelease},
	"https://docs.pypi.org/attestations/publish/v1":                   {"publish", func(*verify.Attestation, *Statement, object) {}},
}

// attestation returns what the statement says, as far as policies ask for it.
func (s *Statement) attestation() *verify.Attestation {
	a := &verify.Attestation{PredicateType: s.PredicateType, Package: s.packageURL()}
	if f, ok := families[s.PredicateType]; ok {
		a.Predicate = f.name
		predicate, _ := readObject(s.predicate)
		f.read(a, s, predicate)
	}
	return a
}

// packageURL returns the only package URL (purl) among the names and URIs of the subjects.
func (s *Statement) packageURL() string {
	found := ""
	for _, subject := range s.Subjects {
		for _, name := range []string{subject.Name, subject.URI} {
			if !strings.HasPrefix(name, "pkg:") || name == found {
				continue
			}
			if found != "" {
				return ""
			}
			found = name
		}
	}
	return found
}

// vsa reads a SLSA Verification Summary Attestation; version 0.1 spelt its fields in another way.
func vsa(a *verify.Attestation, _ *Statement, p object) {
	a.Builder = p.child("verifier").text("id")
	a.Result = first(p.text("verificationResult"), p.text("verification_result"))
	a.Source = sourceURI(first(p.text("resourceUri"), p.text("resource_uri")))
	if strings.HasPrefix(a.Source, "pkg:") {
		a.Package = a.Source
	}
	levels := p.list("verifiedLevels")
	if len(levels) == 0 {
		a.Levels = first(p.text("policyLevel"), p.text("policy_level"))
		return
	}
	var names []string
	for _, raw := range levels {
		var level string
		if json.Unmarshal(raw, &level) == nil && level != "" && !strings.ContainsAny(level, " \t\r\n") {
			names = append(names, level)
		}
	}
	a.Levels = claim(strings.Join(names, " "))
}

// npmPublish reads the npm registry's attestation that it published the package.
func npmPublish(a *verify.Attestation, s *Statement, p object) {
	name, version := p.text("name"), p.text("version")
	if a.Package == "" && name != "" && version != "" {
		a.Package = claim("pkg:npm/" + strings.Replace(name, "@", "%40", 1) + "@" + version)
	}
}

// githubRelease reads GitHub's attestation of an immutable release.
func githubRelease(a *verify.Attestation, s *Statement, p object) {
	if purl := p.text("purl"); purl != "" {
		a.Package = purl
	}
	if repository := p.text("repository"); repository != "" {
		a.Source = claim("https://github.com/" + repository)
	}
	if tag := p.text("tag"); tag != "" {
		a.Ref = claim("refs/tags/" + tag)
	}
	for _, subject := range s.Subjects {
		if strings.HasPrefix(first(subject.URI, subject.Name), "pkg:github/") {
			a.Commit = claim(first(subject.Digest["gitCommit"], subject.Digest["sha1"]))
			return
		}
	}
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
