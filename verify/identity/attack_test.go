package identity

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/identity/identitytest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

// Whoever makes a release chooses what is in it so that what it runs looks as it did in the one before. Each pair runs different things,
// and what is said of the two has to differ; where hidden is set, the second runs something and has to say so at all.
func TestWhatRunsCannotBeHidden(t *testing.T) {
	inner := func(content string) *verify.Artifact {
		a := artifact("package/node_modules/c/package.json", []byte(content))
		a.Inner = true
		return a
	}
	npm := func(script string) *verify.Artifact {
		return artifact("a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"a","version":"1.0.0","scripts":{"postinstall":"` + script + `"}}`}))
	}
	nupkg := func(f files) *verify.Artifact {
		f["a.nuspec"] = "<package/>"
		return artifact("a.nupkg", identitytest.Zip(f))
	}
	gem := func(metadata string) *verify.Artifact {
		return artifact("a-1.gem", identitytest.Tar(files{"metadata.gz": string(identitytest.Gzip([]byte("name: a\n" + metadata + "version: !ruby/object:Gem::Version\n  version: 1.0\n")))}))
	}
	msi := func(last string) *verify.Artifact {
		var p msitest.Package
		for n := range maxActions + 10 {
			p.Actions = append(p.Actions, msitest.Action{Name: fmt.Sprintf("A%d", n), Type: 34, Source: "D", Target: "a.exe"})
		}
		p.Actions[len(p.Actions)-1].Target = last
		return artifact("a.msi", p.Build())
	}
	rpm := func(program string) *verify.Artifact {
		return artifact("a.rpm", rpmOf(t, rpmtest.Package{Scripts: map[uint32]string{1024: "#!/bin/sh\nexit 0\n", 1086: program}}))
	}
	long := "tools/" + strings.Repeat("long/", 30)
	for name, c := range map[string]struct{ before, after *verify.Artifact }{
		"the end of a long script":               {npm("node " + strings.Repeat("a", 300)), npm("node " + strings.Repeat("a", 300) + " && node b")},
		"a line end, which begins a command":     {npm("echo a node b"), npm(`echo a\nnode b`)},
		"a key in capitals that is no key":       {inner(`{"Scripts":{}}`), inner(`{"scripts":{"install":"node x"},"Scripts":{}}`)},
		"a byte order mark, which npm skips":     {inner("{}"), inner("\uFEFF" + `{"scripts":{"install":"node x"}}`)},
		"more than is read":                      {inner("{}"), inner(`{"scripts":{"install":"node x"}}` + strings.Repeat(" ", maxPackageJSON))},
		"what another reader takes for JSON":     {inner("{}"), inner(`{"scripts":{"install":"node x"},}`)},
		"names that begin alike":                 {nupkg(files{long + "b.ps1": "x"}), nupkg(files{long + "b.ps1": "x", long + "a.ps1": "y"})},
		"an escaped name":                        {nupkg(files{}), nupkg(files{"%74ools/install.ps1": "y"})},
		"a list in YAML":                         {gem("extensions: []\n"), gem("extensions:\n- ext/extconf.rb\n")},
		"another of them":                        {gem("extensions:\n- ext/a.rb\n"), gem("extensions:\n- ext/a.rb\n- ext/b.rb\n")},
		"behind the actions that are listed":     {msi("a.exe"), msi("b.exe")},
		"an interpreter that a script misnames":  {rpm("/bin/sh"), rpm("/usr/bin/python3")},
		"a script of Debian that is there twice": {artifact("a.deb", identitytest.Deb(files{"./control": control, "postinst": "#!/bin/sh\n"}, nil)), artifact("a.deb", identitytest.Deb(files{"./control": control, "./postinst": "#!/bin/sh\nx\n", "postinst": "#!/bin/sh\n"}, nil))},
	} {
		var said [2]map[string]string
		for i, a := range []*verify.Artifact{c.before, c.after} {
			r, err := New().Review(t.Context(), a, nil, verify.Env{})
			if err != nil {
				t.Fatal(err)
			}
			said[i] = r.Facts
		}
		if maps.Equal(said[0], said[1]) {
			t.Errorf("%s: both say %q", name, said[0])
		}
	}
}

// What nobody can see in a name tells no product apart.
func TestNamesThatLookAlikeAreNoProduct(t *testing.T) {
	for _, c := range []string{"\u200b", "\u202e", "\u00ad", "\ufeff", "\u2060", "\U000e0041"} {
		r, err := New().Review(t.Context(), artifact("a.exe", version("ProductName", "App"+c+"X", "ProductVersion", "1.0")), nil, verify.Env{})
		if err != nil || r.Product != "" {
			t.Errorf("%+q is a product: %q, %v", c, r.Product, err)
		}
	}
	for name, want := range map[string]string{"PyCharm": "PyCharm (arm)", "App ARM": "App ARM", "App for arm-based PCs": "App for arm-based PCs"} {
		if got := withArchitecture(name, "arm"); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
