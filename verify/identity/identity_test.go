package identity

import (
	"bytes"
	"maps"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/identity/identitytest"
	"github.com/sallyport-project/sallyport/verify/internal/elffile/elftest"
	"github.com/sallyport-project/sallyport/verify/internal/pe/petest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
)

type files = identitytest.Files

func artifact(name string, b []byte) *verify.Artifact {
	return &verify.Artifact{Name: name, Size: int64(len(b)), Content: bytes.NewReader(b), Format: verify.Sniff(b, name)}
}

func version(pairs ...string) []byte {
	return petest.Build(petest.Program{Resources: []petest.Resource{{Type: "16", Name: "1", Data: petest.Version(pairs...)}}})
}

func rpmOf(t testing.TB, p rpmtest.Package) []byte {
	b, err := p.Build()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

const control = "Package: libc6\nVersion: 2.36-9+deb12u4\nArchitecture: amd64\nDescription: x\n Version: 9\n"

func wheelOf(tags string) []byte {
	return identitytest.Zip(files{"a/__init__.py": "", "a-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: A_b\nVersion: 1.0\n\nName: other\n",
		"a-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\n" + tags})
}

func TestProducts(t *testing.T) {
	nuspec := `<package><metadata><id>Newtonsoft.Json</id><version>13.0.3+abc</version></metadata></package>`
	manifest := `<PackageManifest xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011"><Metadata><Identity Id="python" Version="2024.7.1" Publisher="ms-python" TargetPlatform="win32-x64"/></Metadata></PackageManifest>`
	appx := `<Package xmlns="http://schemas.microsoft.com/appx/manifest/foundation/windows10"><Identity Name="Vendor.App" Publisher="CN=V" Version="1.2.3.0" ProcessorArchitecture="arm64"/></Package>`
	for name, c := range map[string]struct {
		file string
		data []byte
		want string // product|version|system
	}{
		"program":                             {"a.exe", version("ProductName", "Notepad++", "ProductVersion", "8.6.2"), "Notepad++ (x64)|8.6.2|pe"},
		"program with its release in it":      {"a.exe", version("ProductName", "Python 3.12.1 (64-bit)", "ProductVersion", "3.12.1150.0"), "Python (64-bit)|3.12.1150.0|pe"},
		"version between commas":              {"a.exe", version("ProductName", "A", "ProductVersion", "1, 2, 3, 4 "), "A (x64)|1.2.3.4|pe"},
		"version with a word":                 {"a.exe", version("ProductName", "A", "ProductVersion", "v1.2.3-beta.1+5f3a"), "A (x64)|1.2.3-beta.1|pe"},
		"version of zeros":                    {"a.exe", version("ProductName", "A", "ProductVersion", "0.0.0.0", "FileVersion", "7.1"), "A (x64)|7.1|pe"},
		"version in numbers alone":            {"a.exe", version("ProductName", "A"), "A (x64)|1.2.3.4|pe"},
		"part of Windows":                     {"a.exe", version("ProductName", "Microsoft® Windows® Operating System", "FileDescription", "Malicious Software Removal Tool"), "Malicious Software Removal Tool (x64)|1.2.3.4|pe"},
		"program without a name":              {"a.exe", version("ProductVersion", "1.0"), "||"},
		"program that says nothing":           {"a.exe", petest.Build(petest.Program{}), "||"},
		"program with a name that misleads":   {"a.exe", version("ProductName", "A\u0007", "ProductVersion", "1.0"), "||"},
		"installer":                           {"a.msi", msitest.Package{Name: "3CX Desktop App", Version: "18.12.416.0", Template: "x64;1033"}.Build(), "3CX Desktop App (x64)|18.12.416.0|msi"},
		"installer of 32 bits":                {"a.msi", msitest.Package{Name: "PuTTY release 0.83", Version: "0.83.0.0"}.Build(), "PuTTY release|0.83.0.0|msi"},
		"installer in a language":             {"a.msi", msitest.Package{Setting: map[string]string{"X": "y"}, Name: "A", Template: "Arm64;1031"}.Build(), "A (arm64)|1.0.0|msi"},
		"package of Debian":                   {"a.deb", identitytest.Deb(files{"./control": control}, files{"./usr/x": "y"}), "libc6:amd64|2.36-9+deb12u4|deb"},
		"package of Debian with two controls": {"a.deb", identitytest.Deb(files{"./control": control, "control": control}, nil), "||"},
		"package of Debian with two versions": {"a.deb", identitytest.Deb(files{"./control": control + "Version: 1\n"}, nil), "||"},
		"package of rpm":                      {"a.rpm", rpmOf(t, rpmtest.Package{Name: "bash", Version: "5.2", Release: "1.fc40", Arch: "x86_64", Epoch: 2}), "bash.x86_64|2:5.2-1.fc40|rpm"},
		"package of npm":                      {"a-1.0.0.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"@a/b","version":"0.9","version":"1.0.0"}`, "package/node_modules/c/package.json": `{"name":"c"}`}), "@a/b|1.0.0|npm"},
		"package of npm in another folder":    {"a.tgz", identitytest.TarGz(files{"b/package.json": `{"name":"b","version":"1.0.0"}`}), "b|1.0.0|npm"},
		"package of npm with two folders":     {"a.tgz", identitytest.TarGz(files{"b/package.json": `{"name":"b","version":"1.0.0"}`, "package/package.json": `{"name":"b","version":"2.0.0"}`}), "||"},
		"package of npm with a broken one":    {"a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":`}), "||"},
		"package of npm with a number":        {"a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"b","version":1}`}), "||"},
		"source distribution":                 {"a-1.0.tar.gz", identitytest.TarGz(files{"a-1.0/PKG-INFO": "Name: A.b\nVersion: 1.0\n", "a-1.0/package.json": `{"name":"x","version":"9.0.0"}`}), "a-b (source)|1.0|pypi"},
		"source distribution of two names":    {"a-1.0.tar.gz", identitytest.TarGz(files{"a-1.0/PKG-INFO": "Name: a\nName: b\nVersion: 1.0\n"}), "||"},
		"crate":                               {"a-1.0.0.crate", identitytest.TarGz(files{"a-1.0.0/Cargo.toml": "[package]\nname = \"a\"\nversion = \"1.0.0\" # x\n[dependencies.b]\nversion = \"2\"\n"}), "a|1.0.0|crates.io"},
		"gem":                                 {"a-1.0.gem", identitytest.Tar(files{"metadata.gz": string(identitytest.Gzip([]byte("--- !ruby/object:Gem::Specification\nname: nokogiri\nversion: !ruby/object:Gem::Version\n  version: 1.16.0\nplatform: x86_64-linux\n")))}), "nokogiri (x86_64-linux)|1.16.0|rubygems"},
		"archive of nothing known":            {"a.tar.gz", identitytest.TarGz(files{"a/b": "c"}), "||"},
		"wheel for everybody":                 {"a.whl", wheelOf("Tag: py2-none-any\nTag: py3-none-any\n"), "a-b|1.0|pypi"},
		"wheel for a system": {"a.whl", wheelOf("Tag: cp311-cp311-manylinux_2_17_x86_64\nTag: cp311-cp311-manylinux2014_x86_64\n"),
			"a-b (cpython 3.11, linux x86_64)|1.0|pypi"},
		"wheel for many interpreters": {"a.whl", wheelOf("Tag: cp37-abi3-macosx_11_0_arm64"), "a-b (cpython, macosx arm64)|1.0|pypi"},
		"package of NuGet":            {"a.nupkg", identitytest.Zip(files{"a.nuspec": nuspec, "sub/b.nuspec": "<x/>"}), "newtonsoft.json|13.0.3|nuget"},
		"package of NuGet with two":   {"a.nupkg", identitytest.Zip(files{"a.nuspec": nuspec, "b.nuspec": nuspec}), "||"},
		"extension":                   {"a.vsix", identitytest.Zip(files{"extension.vsixmanifest": manifest}), "ms-python.python (win32-x64)|2024.7.1|vscode"},
		"package of Windows":          {"a.msix", identitytest.Zip(files{"AppxManifest.xml": appx}), "Vendor.App (arm64)|1.2.3.0|msix"},
		"archive of Java":             {"a.jar", identitytest.Zip(files{"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nImplementation-Title: log4j\r\nImplementation-Version: 2.17.1\r\n\r\nName: x\r\n"}), "log4j|2.17.1|name"},
		"archive of Maven":            {"a.jar", identitytest.Zip(files{"META-INF/MANIFEST.MF": "", "META-INF/maven/g/a/pom.properties": "#x\nversion=2.17.1\ngroupId=org.a\nartifactId=b\n"}), "org.a:b|2.17.1|name"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := New().Review(t.Context(), artifact(c.file, c.data), nil, verify.Env{})
			if got := strings.Join([]string{r.Product, r.Version, r.System}, "|"); err != nil || got != c.want {
				t.Errorf("%q want %q, %v", got, c.want, err)
			}
			if r.Findings != nil {
				t.Error(r.Findings)
			}
			a := artifact(c.file, c.data)
			a.Inner = true
			if r, err := New().Review(t.Context(), a, nil, verify.Env{}); err != nil || strings.HasPrefix(c.want, "||") && r.Product != "" {
				t.Errorf("inside another: %+v, %v", r, err)
			}
		})
	}
}

func TestWhatIsRunAndLoaded(t *testing.T) {
	inner := artifact("package/node_modules/c/package.json", []byte(`{"scripts":{"install":"node x"}}`))
	inner.Inner = true
	script := "#!/bin/sh\nexit 0\n"
	for name, c := range map[string]struct {
		artifact *verify.Artifact
		want     map[string]string
	}{
		"program": {artifact("a.exe", petest.Build(petest.Program{Imports: []petest.Import{{Library: "B.dll", Functions: []string{"f"}}, {Library: "a.dll"}}})),
			map[string]string{"imports": "a.dll b.dll", "imports_digest": "c7929a6de41d87a2 of 1 functions"}},
		"program of ELF": {artifact("a", elftest.Build("libc.so.6", "lib curl.so")), map[string]string{"imports": "libc.so.6 lib_curl.so"}},
		"installer": {artifact("a.msi", msitest.Package{UpgradeCode: "{U}", Actions: []msitest.Action{
			{Name: "Run", Type: 34 + 0x400 + 0x800, Source: "INSTALLDIR", Target: "powershell  -enc\tAAAA"}, {Name: "Set", Type: 51, Source: "P", Target: "v"}}}.Build()),
			map[string]string{"action Run": "program from Directory INSTALLDIR, as the system: powershell -enc AAAA", "upgrade_code": "{U}"}},
		"package of Debian": {artifact("a.deb", identitytest.Deb(files{"./control": control, "./postinst": script, "./md5sums": "x"}, nil)),
			map[string]string{"action postinst": "a script for /bin/sh, 17 bytes, sha256 306c6ca740756034"}},
		"package of rpm": {artifact("a.rpm", rpmOf(t, rpmtest.Package{Scripts: map[uint32]string{1024: "exit 0\n"}})),
			map[string]string{"action post": "a script for /bin/sh, 17 bytes, sha256 306c6ca740756034"}},
		"package of npm": {artifact("a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"a","version":"1.0.0","scripts":{"postinstall":"node bundle.js","test":"x"}}`})),
			map[string]string{"action postinstall": "node bundle.js"}},
		"package of npm that is compiled": {artifact("a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"a","version":"1.0.0"}`, "package/binding.gyp": "{}"})),
			map[string]string{"action install": "node-gyp rebuild (of binding.gyp)"}},
		"package in a package": {inner, map[string]string{"action install": "node x"}},
		"package of Chocolatey": {artifact("a.nupkg", identitytest.Zip(files{"a.nuspec": "<package/>", "tools/chocolateyInstall.ps1": "x", "build/net/a.targets": "y", "lib/a.ps1": "z"})),
			map[string]string{"action tools/chocolateyInstall.ps1": "1 bytes, sha256 2d711642b726b044", "action build/net/a.targets": "1 bytes, sha256 a1fce4363854ff88"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := New().Review(t.Context(), c.artifact, nil, verify.Env{})
			if err != nil || !maps.Equal(r.Facts, c.want) {
				t.Errorf("%q\nwant %q, %v", r.Facts, c.want, err)
			}
		})
	}
}

// Facts are short however much there is.
func TestFactsAreBounded(t *testing.T) {
	var p petest.Program
	for i := range 900 {
		p.Imports = append(p.Imports, petest.Import{Library: strings.Repeat("x", 50) + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676)) + ".dll"})
	}
	var i msitest.Package
	for n := range 500 {
		i.Actions = append(i.Actions, msitest.Action{Name: "A" + strings.Repeat("y", n%60) + string(rune('0'+n/60)), Type: 38, Target: strings.Repeat("z", 250)})
	}
	for _, a := range []*verify.Artifact{artifact("a.exe", petest.Build(p)), artifact("a.msi", i.Build())} {
		r, err := New().Review(t.Context(), a, nil, verify.Env{})
		size := 0
		for k, v := range r.Facts {
			size += len(k) + len(v)
		}
		if err != nil || size == 0 || size > 20_000 || len(r.Facts) > maxActions+2 {
			t.Errorf("%s: %d facts of %d bytes, %v", a.Name, len(r.Facts), size, err)
		}
	}
}

// A stream that unpacks to more than is looked at is no package, whatever it says before.
func TestBombsSayNothing(t *testing.T) {
	bomb := identitytest.TarGz(files{"package/package.json": `{"name":"a","version":"1.0.0"}`, "package/zeros": strings.Repeat("\x00", 40<<20)})
	stopped := false
	r, stop, err := decompress(t.Context(), bytes.NewReader(bomb), int64(len(bomb)), "gzip", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	b := make([]byte, 64<<10)
	for n := 0; n <= 1<<20; {
		k, err := r.Read(b)
		if n += k; err != nil {
			stopped = aboutThem(err)
			break
		}
	}
	if !stopped {
		t.Error("it unpacks without an end")
	}
}

func TestWithoutRelease(t *testing.T) {
	for name, want := range map[string]string{
		"7-Zip 23.01 (x64 edition)": "7-Zip (x64 edition)",
		"3CX Desktop App":           "3CX Desktop App",
		"Microsoft Visual C++ 2015-2022 Redistributable (x64) - 14.38.33130": "Microsoft Visual C++ Redistributable (x64)",
		"Java 8 Update 391 (64-bit)":                                         "Java Update (64-bit)",
		"Microsoft .NET Runtime - 8.0.1 (x64)":                               "Microsoft .NET Runtime (x64)",
		"PuTTY release 0.80 (64-bit)":                                        "PuTTY release (64-bit)",
		"Foo-1.2.3-setup":                                                    "Foo",
		"2048":                                                               "2048",
		"Wireshark 4.2.0 x64":                                                "Wireshark x64",
		"Git version 2.43.0":                                                 "Git version",
		"LibreOffice 7.6.4.1":                                                "LibreOffice",
	} {
		if got := withoutRelease(name); got != want {
			t.Errorf("%q: %q want %q", name, got, want)
		}
	}
}

// FuzzReview looks for files on which reading panics, fails in another way than a file can make it fail, or says more than it may.
func FuzzReview(f *testing.F) {
	f.Add("a.exe", version("ProductName", "A"))
	f.Add("a.msi", msitest.Package{Actions: []msitest.Action{{Name: "A", Type: 38, Target: "x"}}}.Build())
	f.Add("a.deb", identitytest.Deb(files{"./control": control, "./postinst": "#!/bin/sh\n"}, nil))
	f.Add("a.rpm", rpmOf(f, rpmtest.Package{}))
	f.Add("a.tgz", identitytest.TarGz(files{"package/package.json": `{"name":"a","version":"1.0.0","scripts":{"install":"x"}}`}))
	f.Add("a.gem", identitytest.Tar(files{"metadata.gz": string(identitytest.Gzip([]byte("name: a\nversion: x\n  version: 1\n")))}))
	f.Add("a.whl", wheelOf("Tag: cp311-cp311-win_amd64"))
	f.Add("a.nupkg", identitytest.Zip(files{"a.nuspec": "<package><metadata><id>a</id></metadata></package>", "tools/a.ps1": "x"}))
	f.Add("a.jar", identitytest.Zip(files{"META-INF/MANIFEST.MF": "Implementation-Title: a\nImplementation-Version: 1\n"}))
	f.Add("package.json", []byte(`{"scripts":{"install":"x"}}`))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		a := artifact(name, b)
		a.Inner = strings.HasSuffix(name, packageJSON)
		r, err := New().Review(t.Context(), a, nil, verify.Env{})
		if err != nil {
			t.Fatalf("an error of ours: %v", err)
		}
		if (r.Product == "") != (r.Version == "") || len(r.Product) > maxName || len(r.Version) > maxVersion || (r.Product != "" && r.System == "") {
			t.Fatalf("%q %q %q", r.Product, r.Version, r.System)
		}
		for k, v := range r.Facts {
			if len(k) > 120 || len(v) > 2*maxList || v == "" {
				t.Fatalf("%q: %q", k, v)
			}
		}
	})
}
