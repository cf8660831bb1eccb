package clickonce

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/authenticode"
)

// Limits on looking for the manifest of a file.
const (
	maxFetched = 8       // manifests
	maxBeside  = 8 << 20 // bytes of one
	maxLevels  = 4       // folders between a file and its manifest
)

// deployedEnding is what files have after their names on servers that would not serve programs.
const deployedEnding = ".deploy"

// versioned is the name of the folder of one version of an application, as Visual Studio and mage make it: the
// application's name and four numbers.
var versioned = regexp.MustCompile(`^(.+)_\d+_\d+_\d+_\d+$`)

// isDeployed reports whether an artifact is, by its place, a file of a ClickOnce application.
func isDeployed(a *verify.Artifact) bool {
	if strings.HasSuffix(strings.ToLower(a.Name), deployedEnding) {
		return true
	}
	folders, _ := location(a)
	for _, f := range folders {
		if versioned.MatchString(f) {
			return true
		}
	}
	return false
}

// location returns the innermost folders that an artifact lies in, and its name.
func location(a *verify.Artifact) (folders []string, name string) {
	where := strings.ReplaceAll(a.Name, `\`, "/")
	if a.URL != nil {
		where = a.URL.Path
	}
	parts := strings.Split(strings.TrimPrefix(where, "/"), "/")
	name, folders = parts[len(parts)-1], parts[:len(parts)-1]
	return folders[max(0, len(folders)-maxLevels):], name
}

// candidate is where the manifest of a file could be, and the file's path in it.
type candidate struct{ ref, file string }

// candidates returns where the application manifest of a file could be: in the folder named after the application and its
// version, which is the file's own or one above it; or beside a program, under its name.
func candidates(a *verify.Artifact) []candidate {
	folders, name := location(a)
	bare := name
	if strings.HasSuffix(strings.ToLower(bare), deployedEnding) {
		bare = bare[:len(bare)-len(deployedEnding)]
	}
	out := []candidate{{"./" + url.PathEscape(bare+".manifest"), bare}}
	file := bare
	for up := 0; up < len(folders); up++ {
		folder := folders[len(folders)-1-up]
		if m := versioned.FindStringSubmatch(folder); m != nil {
			to := "./" + strings.Repeat("../", up)
			for _, ending := range []string{".exe.manifest", ".dll.manifest"} {
				out = append(out, candidate{to + url.PathEscape(m[1]+ending), file})
			}
		}
		file = folder + "/" + file
	}
	return out[:min(len(out), maxFetched)]
}

// deployed judges a file by the application manifest beside it.
func deployed(ctx context.Context, a *verify.Artifact, env verify.Env) ([]verify.Finding, error) {
	unsure := ""
	for _, c := range candidates(a) {
		if env.Sidecars == nil {
			break
		}
		b, err := env.Sidecars.Fetch(ctx, c.ref, maxBeside)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, verify.ErrNotExist), errors.Is(err, verify.ErrNoSidecars):
			continue
		case err != nil:
			unsure = fmt.Sprintf("%s: %v", c.ref, err)
			continue
		}
		found, err := byManifest(ctx, a, c, b, env)
		if err != nil || found != nil {
			return found, err
		}
	}
	if unsure != "" {
		return one(verify.Inconclusive, "no-manifest", "It could not be told whether a manifest lists this file: "+unsure+"."), nil
	}
	return one(verify.Absent, "not-listed", "No signed manifest beside this file lists it."), nil
}

// byManifest judges a file by one manifest; nil if that is not signed by anybody trusted, or does not list the file.
func byManifest(ctx context.Context, a *verify.Artifact, c candidate, b []byte, env verify.Env) ([]verify.Finding, error) {
	m, found := judge(b, env)
	if m == nil {
		return nil, nil
	}
	evidence := []verify.Reference{{URL: c.ref, SHA256: sha256.Sum256(b)}}
	listed, bad := m.entries()
	key := strings.ToLower(c.file)
	e, ok := listed[key]
	if bad[key] {
		return []verify.Finding{{Method: method, Status: verify.Inconclusive, Code: method + "/unsupported", Evidence: evidence,
			Detail: fmt.Sprintf("The manifest lists %.200q in a way that is not understood, or twice.", c.file)}}, nil
	}
	if !ok {
		return nil, nil
	}
	sum, err := digest(ctx, a, e.hash)
	if err != nil {
		return nil, err
	}
	for i := range found {
		if found[i].Signer.IsZero() {
			continue
		}
		f := listedFinding(found[i], c.file, e)
		if a.Size != e.size || !hmac.Equal(sum, e.sum) {
			f = verify.Finding{Status: verify.Invalid, Code: method + "/digest-mismatch"}
			f.Detail = fmt.Sprintf("The file has %d bytes and the %s digest %x; the signed manifest lists %d bytes with %x.", a.Size, e.hash, sum, e.size, e.sum)
		}
		f.Method, f.Evidence = method, evidence
		return []verify.Finding{f}, nil
	}
	return nil, nil
}

// listedFinding is the finding of a file that is what a manifest lists, made of the manifest's own.
func listedFinding(of verify.Finding, file string, e entry) verify.Finding {
	f := verify.Finding{Status: verify.Valid, Code: method + "/listed", Signer: of.Signer, SignedAt: of.SignedAt, NotAfter: of.NotAfter, Anchors: of.Anchors}
	f.Detail = fmt.Sprintf("The manifest signed by %q lists the file %.200q with %d bytes and its %s digest.", of.Signer, file, e.size, e.hash)
	if e.hash == crypto.SHA1 && (of.SignedAt.IsZero() || !of.SignedAt.Before(authenticode.SHA1End)) {
		f.Status, f.Code, f.NotAfter, f.Anchors = verify.Untrusted, method+"/weak-digest", time.Time{}, nil
		f.Detail += " SHA-1 is not believed, and no trusted timestamp proves that the manifest is older than 2021."
	}
	return f
}

// digest returns a digest over all of an artifact.
func digest(ctx context.Context, a *verify.Artifact, h crypto.Hash) ([]byte, error) {
	if h == crypto.SHA256 && !a.Digests.SHA256.IsZero() {
		return a.Digests.SHA256[:], nil
	}
	w := h.New()
	buffer := make([]byte, 256<<10)
	for from := io.NewSectionReader(a.Content, 0, a.Size); ; {
		n, err := from.Read(buffer)
		w.Write(buffer[:n])
		if err == io.EOF {
			return w.Sum(nil), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the file: %w", err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}
