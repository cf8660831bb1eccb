package policy

import (
	"errors"
	"fmt"
	"strings"
)

func useShape(requirement *shape) *shape {
	return listOf(&shape{what: "a use", scalar: aFragment, keys: []key{
		{"name", "The fragment, such as catalogue/debian.", true, value(aFragment)},
		{"mode", "Of its channels, instead of what the fragment says: enforce or observe.", false, mode()},
		{"clients", "Groups that may use its channels; none means everyone.", false, listOf(value(aText), 1)},
		{"require", "What its channels require besides.", false, listOf(requirement, 1)},
		{"unproven", "Of its channels, instead of defaults.unproven.", false, unproven()},
		{"delivery", "Of its channels, instead of defaults.delivery.", false, delivery()},
	}}, 1)
}

var aFragment = &scalar{what: "a fragment such as catalogue/debian", check: checkFragmentName, pattern: `^catalogue/[a-z0-9._-]+$`}

func checkFragmentName(s string) error {
	name, ok := strings.CutPrefix(s, cataloguePrefix)
	if !ok || !namePattern.MatchString(name) {
		return fmt.Errorf("%s is no fragment: write catalogue/ and its name, such as catalogue/debian", quote(s))
	}
	return nil
}

// checkNamed checks a value. What a fragment defines is called after it.
func (s *scalar) checkNamed(n node, p *problems) error {
	if fragment := p.fragmentAt(n); s == aDefinedName && fragment != "" {
		return checkFragmentsOwn(fragment, n.text())
	}
	return s.check(n.text())
}

// checkFragmentsOwn checks the name of something that a fragment defines: no name that a policy defines itself looks like it, except the
// fragment's own, which such a policy may not use.
func checkFragmentsOwn(fragment, name string) error {
	rest, below := strings.CutPrefix(name, fragment+"/")
	if name == fragment || below && namePattern.MatchString(rest) && len(name) <= 128 {
		return nil
	}
	return fmt.Errorf("%s is called neither %s nor %s/ and more: what a fragment defines has its name", quote(name), fragment, fragment)
}

// fragmentGrammar is the grammar of a fragment of the catalogue.
var fragmentGrammar = fragmentShape()

func fragmentShape() *shape {
	section := func(name string) key { return *findKey(language.keys, name) }
	return &shape{what: "a fragment", keys: []key{
		{"catalogue", "The version of the format.", true, value(&scalar{what: "the number 1", kind: number, check: checkCatalogueVersion})},
		{"name", "Of the fragment: that of its file.", true, value(aDefinedName)},
		{"product", "What people call the product.", true, value(aText)},
		{"vendor", "Who makes it.", true, value(aText)},
		{"platforms", "What it runs on.", true, listOf(word(platforms...), 1)},
		{"facts", "What is known to vouch for its updates.", true, listOf(factShape(), 1)},
		{"cannot", "What cannot be verified or looked into.", true, listOf(value(aText), 0)},
		{"exact", "Hosts that are written out instead of *.domain, and why.", false, &shape{names: value(aText), naming: aHost}},
		{"policy", "What a policy that uses the fragment gets.", true, &shape{what: "the policy of a fragment", keys: []key{
			{"hosts", "Hosts passed through unseen, or looked into.", false, &shape{what: "the hosts of a fragment", keys: []key{
				{"tunnel", "Hosts whose clients accept no other certificate than the vendor's.", false, listOf(value(aHost), 1)},
				{"inspect", "Hosts that are looked into although no channel names them.", false, listOf(value(aHost), 1)},
			}}},
			section("anchors"),
			{"channels", "Its channels.", true, findKey(language.keys, "channels").shape},
			{"tests", "Cases that show what the channels do.", true, findKey(language.keys, "tests").shape},
		}}},
	}}
}

func factShape() *shape {
	return &shape{what: "a fact", keys: []key{
		{"fact", "What is so, in a sentence.", true, value(aText)},
		{"source", "Where it says so: a URL, or the package URL of what was looked at.", true, value(&scalar{what: "a URL", check: checkSource})},
		{"date", "When that was looked up.", true, value(aDay)},
		{"confirmed", "Whether it was seen to be so; false if it is only said to be.", true, value(aBoolean)},
		{"about", "The channels and anchors that rest on it; all of them if left out.", false, listOf(value(aText), 1)},
	}}
}

var platforms = []string{"windows", "macos", "linux", "android", "ios", "any"}

func checkCatalogueVersion(s string) error {
	if s != "1" {
		return fmt.Errorf("this version reads fragments of version 1, this one says %s", quote(s))
	}
	return nil
}

func checkSource(s string) error {
	for _, scheme := range []string{"https://", "http://", "pkg:"} {
		if rest, ok := strings.CutPrefix(s, scheme); ok && rest != "" && !strings.ContainsAny(s, " \t\n") {
			return nil
		}
	}
	return errors.New(quote(s) + " is no source: write a URL, or the package URL (pkg:) of what was looked at")
}
