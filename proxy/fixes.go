package proxy

import (
	"slices"

	"github.com/sallyport-project/sallyport/internal/versions"
	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/policy/reputation"
	"github.com/sallyport-project/sallyport/verify"
)

// packageSystems are the systems of versions in which a package's own name is the one that lists of vulnerabilities use.
var packageSystems = map[string]string{"npm": "npm", "pypi": "PyPI", "nuget": "NuGet", "vscode": "VSCode", "rubygems": "RubyGems", "crates.io": "crates.io"}

// maxFixes bounds how many are told of.
const maxFixes = 32

// KnownFixes returns the vulnerabilities that the release before this update has and the update has not, by the policy's feeds of
// vulnerable versions. The release before is the one with the highest version below the update's own of those that were let through: not
// the last one, since somebody may have fetched an old one again. An update is a package by what a signed statement says, or else by what its own bytes say. A list that cannot be
// read shows no fixes.
func KnownFixes(p *policy.Policy, view *reputation.View, h policy.History, rep verify.Report) []policy.Fix {
	describing, exploited := p.FeedsToFix()
	if len(describing) == 0 {
		return nil
	}
	packages := packagesOf(rep)
	if of := packageSystems[rep.System]; of != "" && rep.Facts["product"] != "" {
		if own := (reputation.Package{Ecosystem: of, Name: rep.Facts["product"], Version: rep.Version}); !slices.Contains(packages, own) {
			packages = append(packages, own)
		}
	}
	var out []policy.Fix
	for _, e := range h.Editions {
		for _, after := range packages {
			before := after
			before.Version = versionBefore(after, h.Past[e.Channel].Releases)
			if before.Version == "" {
				continue
			}
			fixes, err := view.Fixes(before, after, describing, exploited)
			if err != nil {
				continue
			}
			for _, f := range fixes {
				fix := policy.Fix{ID: f.ID, Feed: f.Feed, Package: after.String(), From: before.Version, Exploited: f.Exploited != "", By: f.Exploited}
				if !slices.Contains(out, fix) && len(out) < maxFixes {
					out = append(out, fix)
				}
			}
		}
	}
	return out
}

// versionBefore returns the highest version of releases that is below that of a package; "" if there is none.
func versionBefore(p reputation.Package, releases []policy.PastRelease) (highest string) {
	compare := versions.Of(p.Ecosystem)
	for i := range releases {
		v := releases[i].Version
		if order, ok := compare(v, p.Version); !ok || order >= 0 {
			continue
		}
		if order, _ := compare(v, highest); highest == "" || order > 0 {
			highest = v
		}
	}
	return highest
}
