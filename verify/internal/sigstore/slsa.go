package sigstore

import (
	"encoding/json"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// slsaV01 reads https://slsa.dev/provenance/v0.1: the source is the material that defines the recipe.
func slsaV01(a *verify.Attestation, _ *Statement, p object) {
	recipe := p.child("recipe")
	a.Builder = p.child("builder").text("id")
	a.BuildType = recipe.text("type")
	var at int
	materials := p.list("materials")
	if raw := recipe["definedInMaterial"]; len(raw) == 0 || json.Unmarshal(raw, &at) != nil || at < 0 || at >= len(materials) {
		return
	}
	material, _ := readObject(materials[at])
	setSource(a, material)
}

// slsaV02 reads https://slsa.dev/provenance/v0.2: the source is where the configuration of the build came from.
func slsaV02(a *verify.Attestation, _ *Statement, p object) {
	a.Builder = p.child("builder").text("id")
	a.BuildType = p.text("buildType")
	setSource(a, p.child("invocation").child("configSource"))
}

// slsaV1 reads https://slsa.dev/provenance/v1. What names the source depends on the type of build; these are the parameters of the
// builders that are in use: GitHub's and npm's workflows, the SLSA generators and GitLab, Google Cloud Build.
func slsaV1(a *verify.Attestation, _ *Statement, p object) {
	definition := p.child("buildDefinition")
	a.Builder = p.child("runDetails").child("builder").text("id")
	a.BuildType = definition.text("buildType")
	external := definition.child("externalParameters")
	switch workflow, source := external.child("workflow"), external.child("source"); {
	case workflow.text("repository") != "":
		a.Source, a.Ref = workflow.text("repository"), workflow.text("ref")
	case external.text("source") != "":
		a.Source = external.text("source")
	case source.text("uri") != "":
		setSource(a, source)
	default:
		build := external.child("buildConfigSource")
		a.Source, a.Ref = build.text("repository"), build.text("ref")
	}
	uri, ref := splitSource(a.Source)
	a.Source = uri
	a.Ref = first(a.Ref, ref)
	if a.Commit == "" && a.Source != "" {
		a.Commit = commitOf(definition.list("resolvedDependencies"), a.Source, a.Ref)
	}
}

// commitOf returns the revision of the dependency that is the source, where exactly one revision is named for it.
func commitOf(dependencies []json.RawMessage, source, ref string) string {
	found := ""
	for _, raw := range dependencies {
		d, _ := readObject(raw)
		uri, at := splitSource(d.text("uri"))
		if uri != source || at != "" && ref != "" && at != ref {
			continue
		}
		commit := revision(d.child("digest"))
		if found != "" && commit != "" && commit != found {
			return ""
		}
		found = first(commit, found)
	}
	return found
}

// setSource takes source, ref and commit from a resource: {"uri", "digest"}.
func setSource(a *verify.Attestation, resource object) {
	a.Source, a.Ref = splitSource(resource.text("uri"))
	a.Commit = revision(resource.child("digest"))
}

// revision returns the commit in a set of digests, by the names that builders use.
func revision(digest object) string {
	return strings.ToLower(first(digest.text("gitCommit"), digest.text("sha1"), digest.text("commit")))
}

// splitSource splits the URI of a source into the repository and the ref behind "@", if there is one: SPDX download locations
// such as git+https://github.com/acme/app@refs/tags/v1. An "@" before the path separates a user from the host.
func splitSource(uri string) (repository, ref string) {
	uri = strings.TrimPrefix(uri, "git+")
	path := max(strings.Index(uri, "://")+3, 3)
	if slash := strings.IndexByte(uri[min(path, len(uri)):], '/'); slash >= 0 {
		if at := strings.LastIndexByte(uri, '@'); at > path+slash {
			uri, ref = uri[:at], uri[at+1:]
		}
	}
	return sourceURI(uri), ref
}

// sourceURI writes the URI of a repository in one way: without the prefix git+ and the suffix .git.
func sourceURI(uri string) string {
	return strings.TrimSuffix(strings.TrimPrefix(uri, "git+"), ".git")
}
