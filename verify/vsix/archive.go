package vsix

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
	"github.com/sallyport-project/sallyport/verify/internal/zipfile"
)

// Names and limits of a signature archive.
const (
	archiveManifest  = ".signature.manifest"
	archiveSignature = ".signature.p7s"
	archiveOpen      = ".signature.sig" // Open VSX's own signature, Ed25519
	maxManifest      = 32 << 20         // bytes
	maxP7S           = 1 << 20          // bytes
	maxArchive       = 16 << 20         // bytes of a signature archive beside an extension
)

// isArchive reports whether a zip file is a signature archive, by its name or that of its first entry.
func isArchive(a *verify.Artifact) bool {
	if strings.EqualFold(path.Ext(a.Name), ".sigzip") {
		return true
	}
	head := make([]byte, min(a.Size, 64))
	n, _ := a.Content.ReadAt(head, 0)
	return n > 30 && string(head[:4]) == "PK\x03\x04" && strings.HasPrefix(string(head[30:n]), ".signature.")
}

// archive is a signature archive that was read.
type archive struct {
	manifest []byte
	p7s      []byte
	foreign  bool // it has a signature of another kind
}

// readArchive reads the entries of a signature archive. It has no others than those that belong there.
func readArchive(zip *zipfile.File) (*archive, error) {
	if p := zip.Strict(); p != nil {
		return nil, broken("%s", strings.TrimSuffix(p.Detail, "."))
	}
	if zip.Base != 0 || len(zip.Comment) > 0 || !singleDisk(zip) {
		return nil, broken("something stands before or after the archive, or it lies on several disks")
	}
	out := &archive{}
	seen := map[string]bool{}
	for _, e := range zip.Entries {
		if seen[e.Name] || len(e.Comment) > 0 {
			return nil, broken("the entry %q is there twice, or has a comment", e.Name)
		}
		seen[e.Name] = true
		var err error
		switch e.Name {
		case archiveManifest:
			out.manifest, err = zip.ReadAll(e, maxManifest)
		case archiveSignature:
			out.p7s, err = zip.ReadAll(e, maxP7S)
		case archiveOpen:
			out.foreign = e.Size > 0
			if e.Size > 1024 {
				err = broken("%q has %d bytes", e.Name, e.Size)
			}
		default:
			err = broken("the entry %q has no place there", e.Name)
		}
		if errors.Is(err, verify.ErrBroken) {
			err = broken("%s", err)
		}
		if err != nil {
			return nil, err
		}
	}
	if !seen[archiveManifest] || !seen[archiveSignature] {
		return nil, broken("%s or %s is missing", archiveManifest, archiveSignature)
	}
	return out, nil
}

// archiveItself judges a signature archive as an artifact.
func archiveItself(zip *zipfile.File, env verify.Env) ([]verify.Finding, error) {
	_, found, err := judgeArchive(zip, env)
	return found, err
}

// judgeArchive judges the signature in an archive, and returns what it is of where nothing is wrong with it. An error is
// ours.
func judgeArchive(zip *zipfile.File, env verify.Env) (*manifest, []verify.Finding, error) {
	arc, err := readArchive(zip)
	var m *manifest
	if err == nil && len(arc.p7s) > 0 {
		m, err = parseManifest(arc.manifest)
	}
	switch {
	case errors.Is(err, errBroken):
		return nil, one(verify.Invalid, "malformed", fmt.Sprintf("The signature archive cannot be read: %s.", strings.TrimSuffix(why(err), "."))), nil
	case err != nil:
		return nil, nil, fmt.Errorf("reading the signature archive: %w", err)
	case len(arc.p7s) == 0 && arc.foreign:
		return nil, one(verify.Inconclusive, "foreign-signature", "The signature archive has only a signature of Open VSX, whose keys are not known here."), nil
	case len(arc.p7s) == 0:
		return nil, one(verify.Absent, "unsigned", "The signature archive has no signature in it."), nil
	}
	x := authenticode.New(method, "manifest of the package", env)
	raws, err := readP7S(arc)
	if err != nil {
		x.Verdict(verify.Finding{Status: verify.Invalid, Code: "bad-signature", Detail: fmt.Sprintf("The signature in the archive is wrong: %s.", strings.TrimSuffix(why(err), "."))})
		return nil, x.Findings(), nil
	}
	for _, raw := range raws {
		x.JudgeRaw(raw)
	}
	found := x.Findings()
	for i := range found {
		if found[i].Status == verify.Valid && !found[i].Signer.IsZero() {
			found[i].Detail += fmt.Sprintf(" It is of a package of %d bytes with the SHA-256 digest %x.", m.size, m.sum)
		}
	}
	return m, found, nil
}
