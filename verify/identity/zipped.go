package identity

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/strictxml"
)

const maxInstallScripts = 16 // of a package that are read

// nupkg reads the specification of a NuGet or Chocolatey package, and the scripts in it that run when it is installed.
func nupkg(_ context.Context, a *verify.Artifact) (s said, err error) {
	z, err := openZip(a)
	if err != nil {
		return s, err
	}
	s.installScripts(z)
	spec, err := z.only(func(name string) bool {
		return !strings.ContainsAny(name, `/\`) && strings.EqualFold(path.Ext(name), ".nuspec")
	})
	if err != nil {
		return s, err
	}
	found, err := elements(spec, "package/metadata/id", "package/metadata/version")
	if err != nil {
		return s, err
	}
	version, _, _ := strings.Cut(found["package/metadata/version"], "+") // what follows orders nothing
	s.is("nuget", strings.ToLower(found["package/metadata/id"]), version)
	return s, nil
}

// installScripts keeps what package managers and builds run: tools/*.ps1, and targets that a build imports.
func (s *said) installScripts(z archive) {
	n := 0
	for _, e := range z.Entries {
		low := strings.ToLower(e.Name)
		if plain, err := url.PathUnescape(low); err == nil { // names of parts are escaped (ECMA-376 part 2, 6.2.2)
			low = plain
		}
		runs := strings.HasPrefix(low, "tools/") && path.Ext(low) == ".ps1" ||
			strings.HasPrefix(low, "build") && (path.Ext(low) == ".targets" || path.Ext(low) == ".props")
		if !runs {
			continue
		}
		if n++; n > maxInstallScripts {
			s.action(e.Name, "%d bytes", e.Size)
			continue
		}
		b, err := z.ReadAll(e, maxMetadata)
		if err != nil {
			s.action(e.Name, "%d bytes that cannot be read", e.Size)
			continue
		}
		s.action(e.Name, "%s", digestOf(b))
	}
}

// vsix reads the manifest of an extension of Visual Studio or of VS Code.
func vsix(_ context.Context, a *verify.Artifact) (s said, err error) {
	z, err := openZip(a)
	if err != nil {
		return s, err
	}
	manifest, err := z.only(func(name string) bool { return strings.EqualFold(name, "extension.vsixmanifest") })
	if err != nil {
		return s, err
	}
	id, err := attributes(manifest, "PackageManifest/Metadata/Identity")
	if err != nil {
		return s, err
	}
	name := strings.ToLower(id["Publisher"] + "." + id["Id"])
	if id["Id"] == "" || id["Publisher"] == "" {
		return s, fmt.Errorf("no identity: %w", errUnclear)
	}
	if p := id["TargetPlatform"]; p != "" && p != "universal" {
		name += " (" + p + ")"
	}
	s.is("vscode", name, id["Version"])
	return s, nil
}

// msix reads the manifest of a package or bundle of Windows.
func msix(_ context.Context, a *verify.Artifact) (s said, err error) {
	z, err := openZip(a)
	if err != nil {
		return s, err
	}
	file, element := "appxmanifest.xml", "Package/Identity"
	if z.Entry("AppxMetadata/AppxBundleManifest.xml") != nil {
		file, element = "appxmetadata/appxbundlemanifest.xml", "Bundle/Identity"
	}
	manifest, err := z.only(func(name string) bool { return strings.ToLower(name) == file })
	if err != nil {
		return s, err
	}
	id, err := attributes(manifest, element)
	if err != nil {
		return s, err
	}
	if id["Name"] == "" {
		return s, fmt.Errorf("no identity: %w", errUnclear)
	}
	architecture := strings.ToLower(id["ProcessorArchitecture"])
	name := id["Name"]
	if architecture != "" && architecture != "neutral" {
		name += " (" + architecture + ")"
	}
	s.is("msix", name, id["Version"])
	return s, nil
}

// jar reads what Maven leaves in an archive of Java, or else the manifest's main attributes.
func jar(_ context.Context, a *verify.Artifact) (s said, err error) {
	z, err := openZip(a)
	if err != nil {
		return s, err
	}
	if b, err := z.only(func(name string) bool {
		return strings.HasPrefix(name, "META-INF/maven/") && path.Base(name) == "pom.properties"
	}); err == nil {
		p := lines(b, "=", false)
		if p["groupId"] != "" && p["artifactId"] != "" {
			s.is("name", p["groupId"]+":"+p["artifactId"], p["version"])
			return s, nil
		}
	}
	b, err := z.only(func(name string) bool { return strings.EqualFold(name, "META-INF/MANIFEST.MF") })
	if err != nil {
		return s, err
	}
	m := lines(b, ":", true)
	for _, kind := range []string{"Implementation", "Specification"} {
		if m[kind+"-Title"] != "" && m[kind+"-Version"] != "" {
			s.is("name", m[kind+"-Title"], m[kind+"-Version"])
			return s, nil
		}
	}
	name, _, _ := strings.Cut(m["Bundle-SymbolicName"], ";")
	s.is("name", name, m["Bundle-Version"])
	return s, nil
}

// lines reads keys and values, up to an empty line where that ends a section. A key that is there twice is left out.
func lines(b []byte, separator string, sections bool) map[string]string {
	out := map[string]string{}
	twice := map[string]bool{}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		text := strings.TrimRight(string(line), "\r")
		if text == "" && sections {
			break
		}
		key, value, ok := strings.Cut(text, separator)
		if !ok || strings.HasPrefix(text, " ") || strings.HasPrefix(text, "#") {
			continue
		}
		if key = strings.TrimSpace(key); out[key] != "" {
			twice[key] = true
		}
		out[key] = strings.TrimSpace(value)
	}
	for key := range twice {
		delete(out, key)
	}
	return out
}

// elements returns the texts of elements, each of which must be there at most once.
func elements(b []byte, paths ...string) (map[string]string, error) {
	found := map[string]string{}
	err := strictxml.Read(b, strictxml.Visitor{End: func(e strictxml.Element) error {
		for _, p := range paths {
			if _, again := found[p]; e.Path == p && again {
				return fmt.Errorf("%s twice", p)
			}
			if e.Path == p {
				found[p] = strings.TrimSpace(e.Text)
			}
		}
		return nil
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errUnclear)
	}
	return found, nil
}

// attributes returns those of an element that must be there once.
func attributes(b []byte, element string) (map[string]string, error) {
	var found map[string]string
	err := strictxml.Read(b, strictxml.Visitor{Start: func(e strictxml.Element) error {
		if e.Path != element {
			return nil
		}
		if found != nil {
			return fmt.Errorf("%s twice", element)
		}
		found = e.Attrs
		return nil
	}})
	if err == nil && found == nil {
		err = fmt.Errorf("no %s", element)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, errUnclear)
	}
	return found, nil
}
