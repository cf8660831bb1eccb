package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"

	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

// Publishers whose names the drill's signers bear.
const (
	desktopVendor  = "3CX Ltd"
	platformVendor = "Microsoft Corporation"
)

func attack3CX() drillAttack {
	return drillAttack{
		name: "3cx", title: "March 2023: the vendor's own installer, validly signed, with a library that carries a payload", hosts: []string{vendorHost},
		story: "3CX's build was taken over. The installer was signed by the vendor, and so was the changed library ffmpeg.dll; beside it lay Microsoft's own d3dcompiler_47.dll, with the payload " +
			"behind its signature, where Windows does not look by default (CVE-2013-3900). Nothing about the outside of the installer was wrong, and no list knew it. " +
			"Here the same parts are made of programs that do nothing, and of noise.",
		stage: stage3CX, controls: controls3CX,
	}
}

func attackPolyglot() drillAttack {
	return drillAttack{
		name: "polyglot", title: "an installer that is a Java archive as well", hosts: []string{vendorHost},
		story: "Windows Installer reads a file from its beginning, Java from its end. A Java archive that is put behind a signed installer runs as soon as the file is called .jar, and the signature still fits.",
		stage: stagePolyglot,
	}
}

// desktopApp makes the installer of a desktop application out of its files.
func (r *drillRange) desktopApp(version string, files map[string][]byte) []byte {
	p := msitest.Package{Name: "3CX Desktop App", Version: version, Manufacturer: desktopVendor}
	folder := cabtest.Folder{Method: cabtest.MSZIP}
	for _, name := range []string{"3CXDesktopApp.exe", "ffmpeg.dll", "d3dcompiler_47.dll"} {
		key := "f_" + name
		p.Files = append(p.Files, msitest.File{Key: key, Path: "app/" + name, Size: len(files[name])})
		folder.Files = append(folder.Files, cabtest.File{Name: key, Data: files[name]})
	}
	p.Cabinet = cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{folder}})
	return msitest.Sign(p.Build(), r.signature(r.vendors.Issue(at.Leaf{Organization: desktopVendor})))
}

func stage3CX(r *drillRange) ([]drillShot, error) {
	files := map[string][]byte{
		"3CXDesktopApp.exe":  r.program(desktopVendor, 20),
		"ffmpeg.dll":         r.program(desktopVendor, 21),
		"d3dcompiler_47.dll": r.program(platformVendor, 22),
	}
	good := r.desktopApp("18.12.402", files)
	files["ffmpeg.dll"] = r.program(desktopVendor, 23)
	files["d3dcompiler_47.dll"] = at.Stuff(files["d3dcompiler_47.dll"], inertPayload(drillPayload))
	bad := r.desktopApp("18.12.416", files)
	return []drillShot{
		{what: "the vendor's installer", body: good, genuine: true, url: r.put(vendorHost, "/downloads/3CXDesktopApp-18.12.402.msi", good)},
		{what: "the vendor's installer with the payload", body: bad, url: r.put(vendorHost, "/downloads/3CXDesktopApp-18.12.416.msi", bad)},
	}, nil
}

// controls3CX judges the installer with the payload.
func controls3CX(ctx context.Context, r *drillRange, shots []drillShot) ([]drillControl, error) {
	const padding = "authenticode/padding-data"
	return controlsOf(ctx, r, "3CXDesktopApp-18.12.416.msi", shots[1].body, []singleControl{
		{name: "who signed the installer", require: "signed_by: [vendor]"},
		{name: "the checksum on the vendor's page, made of what the vendor serves", require: "signed_by: [checksum]"},
		{name: "who signed each file inside, as Windows checks by default", require: "contents: {signed_by: [vendor, microsoft]}", blind: padding},
		{name: "who signed each file inside, only the vendor allowed", require: "contents: {signed_by: [vendor]}", blind: padding},
		{name: "who signed each file inside, every byte accounted for", require: "contents: {signed_by: [vendor, microsoft]}"},
		{name: "the same, and nothing may stand out", require: "contents: {signed_by: [vendor, microsoft], strict: true}"},
	})
}

func stagePolyglot(r *drillRange) ([]drillShot, error) {
	files := map[string][]byte{
		"3CXDesktopApp.exe":  r.program(desktopVendor, 30),
		"ffmpeg.dll":         r.program(desktopVendor, 31),
		"d3dcompiler_47.dll": r.program(platformVendor, 32),
	}
	good := r.desktopApp("18.13.1", files)
	var jar bytes.Buffer
	w := zip.NewWriter(&jar)
	for name, text := range map[string]string{"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\nMain-Class: Nothing\r\n\r\n", "Nothing.class": "not a class"} {
		f, err := w.Create(name)
		if err == nil {
			_, err = f.Write([]byte(text))
		}
		if err != nil {
			return nil, fmt.Errorf("making a Java archive: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("making a Java archive: %w", err)
	}
	bad := append(bytes.Clone(good), jar.Bytes()...)
	return []drillShot{
		{what: "the vendor's installer", body: good, genuine: true, url: r.put(vendorHost, "/downloads/3CXDesktopApp-18.13.1.msi", good)},
		{what: "the installer with a Java archive behind it", body: bad, url: r.put(vendorHost, "/downloads/3CXDesktopApp-18.13.2.msi", bad)},
	}, nil
}
