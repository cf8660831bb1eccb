package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

func attackAxios() drillAttack {
	return drillAttack{
		name: "axios", title: "March 2026: a package that always had provenance comes without, from a stolen account", hosts: []string{registryHost}, own: true,
		story: "On 31 March 2026 versions of axios were published by hand with a maintainer's stolen token. Every release before them had been attested by the project's workflow; these were not, " +
			"and nothing else about them looked wrong to an installer. Here a registry of the drill's own serves releases with provenance by the project's workflow, then one without any, and then one " +
			"with valid provenance by the workflow of a fork.",
		stage: stageAxios,
	}
}

func attackTanStack() drillAttack {
	return drillAttack{
		name: "tanstack", title: "May 2026: a malicious release with valid provenance, by the right builder", hosts: []string{registryHost}, own: true,
		story: "On 11 May 2026 84 malicious versions of TanStack's packages were built and attested by the project's own workflow, into which the attackers had got their code (CVE-2026-45321). Provenance says by " +
			"what a file was built and from which source, and all of it was true. No signature, no statement and no log tells such a release from a good one, and so this drill shows it getting through. What would have helped " +
			"is age: the release was known for what it was within hours, and a policy with min_age, which this one does not ask for, holds what is not yet known for so long. Or somebody who looks at what the scripts inside do, which Sallyport does not. " +
			"What helps afterwards is a deny rule with its digest.",
		stage: stageTanStack, controls: controlsTanStack,
	}
}

// npmTarball is a package that does nothing.
func npmTarball(name, version string) ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, file := range [][2]string{
		{"package/package.json", fmt.Sprintf(`{"name":%q,"version":%q,"main":"index.js"}`, name, version)},
		{"package/index.js", "// it does nothing\n"},
	} {
		if err := w.WriteHeader(&tar.Header{Name: file[0], Size: int64(len(file[1])), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(file[1])); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// drillWorkflow is one that builds releases, and what it builds from.
type drillWorkflow struct{ source, path, ref string }

// release publishes a package at the drill's registry, with provenance by a workflow if one is given.
func (r *drillRange) release(name, base, version string, by *drillWorkflow) (body []byte, url string, err error) {
	if body, err = npmTarball(name, version); err != nil {
		return nil, "", fmt.Errorf("packing %s: %w", name, err)
	}
	registry := r.site(registryHost)
	file := name + "/-/" + base + "-" + version + ".tgz"
	registry.set(file, body)
	if by != nil {
		build := sigstoretest.Build{Builder: "https://github.com/actions/runner/github-hosted", Type: "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
			Source: by.source, Ref: by.ref, Commit: "0123456789abcdef0123456789abcdef01234567"}
		signer := sigstoretest.Signer{Identity: by.source + "/" + by.path + "@" + by.ref, Issuer: actionsURL, Workload: verify.Workload{
			BuildSigner: by.source + "/" + by.path + "@" + by.ref, Runner: "github-hosted", Source: by.source, Ref: by.ref, Commit: build.Commit, Trigger: "push", Run: by.source + "/actions/runs/1/attempts/1"}}
		purl := "pkg:npm/" + npmPURLName(name) + "@" + version
		bundle := r.instance.Attest(sigstoretest.Provenance(build, sigstoretest.OfNPM(purl, body)), signer)
		registry.set("-/npm/v1/attestations/"+name+"@"+version, sigstoretest.NPM(bundle))
	}
	return body, "https://" + registryHost + "/" + file, nil
}

func npmPURLName(name string) string {
	if scoped, ok := strings.CutPrefix(name, "@"); ok {
		return "%40" + scoped
	}
	return name
}

func stageAxios(r *drillRange) ([]drillShot, error) {
	project := &drillWorkflow{"https://github.com/axios/axios", ".github/workflows/publish.yml", "refs/tags/v1.14.0"}
	fork := &drillWorkflow{"https://github.com/axios-next/axios", ".github/workflows/publish.yml", "refs/tags/v1.14.2"}
	var shots []drillShot
	for _, s := range []struct {
		what, version string
		by            *drillWorkflow
	}{
		{"a release by the project's workflow", "1.14.0", project},
		{"the next release, without provenance", "1.14.1", nil},
		{"one with provenance by a fork's workflow", "1.14.2", fork},
	} {
		body, url, err := r.release("axios", "axios", s.version, s.by)
		if err != nil {
			return nil, err
		}
		shots = append(shots, drillShot{what: s.what, url: url, body: body, genuine: s.by == project})
	}
	return shots, nil
}

func stageTanStack(r *drillRange) ([]drillShot, error) {
	project := &drillWorkflow{"https://github.com/TanStack/query", ".github/workflows/release.yml", "refs/heads/main"}
	good, goodURL, err := r.release("@tanstack/query-core", "query-core", "5.90.0", project)
	if err != nil {
		return nil, err
	}
	bad, badURL, err := r.release("@tanstack/query-core", "query-core", "5.90.1", project)
	if err != nil {
		return nil, err
	}
	return []drillShot{
		{what: "a release by the project's workflow", url: goodURL, body: good, genuine: true},
		{what: "a malicious one by the same workflow", url: badURL, body: bad, untold: "provenance is true of it"},
	}, nil
}

// controlsTanStack judges the malicious release.
func controlsTanStack(ctx context.Context, r *drillRange, shots []drillShot) ([]drillControl, error) {
	bad := shots[1]
	return r.frameworkControls(ctx, bad, []singleControl{
		{name: "who signed its attestation", require: "signed_by: [tanstack]"},
		{name: "who built it, from which source and branch", require: `provenance: {source: "https://github.com/TanStack/query", ref: refs/heads/main, builder: "https://github.com/actions/runner/*", signed_by: [tanstack]}`},
		{name: "the digest in the registry's index, made of what is published", require: "signed_by: [checksum]"},
		{name: "a deny rule with its digest, once it is known", require: "signed_by: [tanstack]", deny: true},
	})
}
