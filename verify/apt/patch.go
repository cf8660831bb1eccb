package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/deb822"
)

// Limits of the index of an index's patches.
const (
	maxPatchIndex = 4 << 20 // bytes
	maxPatches    = 10_000
)

var errPatches = errors.New("malformed index of patches")

// findPatch verifies a patch to an index, such as main/binary-amd64/Packages.diff/T-….gz. The Release does not list
// patches; it lists Packages.diff/Index, which lists them.
func (l *lookup) findPatch(v *voucher, name string) (*verify.Finding, error) {
	dir := path.Dir(name)
	if isByHash("/" + name) {
		dir = path.Dir(path.Dir(dir))
	}
	if !strings.HasSuffix(dir, ".diff") {
		return nil, nil
	}
	list := path.Join(dir, "Index")
	entry, ok := v.rel.Files[list]
	if !ok || entry.Size > maxPatchIndex {
		return nil, nil
	}
	got, err := l.together("patches "+entry.SHA256.String(), func(ctx context.Context) (any, error) {
		return fetchListed(ctx, l.env.Sidecars, v, variant{list, entry})
	})
	if err != nil {
		l.lacks(v.suite.url(list), err)
		return nil, l.ctx.Err()
	}
	patches, err := parsePatches(got.([]byte))
	if err != nil {
		f := finding(verify.Invalid, "malformed", fmt.Sprintf("%s: %v", v.suite.url(list), err))
		return &f, nil
	}
	evidence := verify.Reference{URL: v.suite.url(list), SHA256: entry.SHA256}
	a, base := entryOf(l.artifact), path.Base(name)
	for listed, f := range patches {
		if f == a && (listed == base || isByHash("/"+name)) {
			return l.vouched(v, path.Join(dir, listed), evidence), nil
		}
	}
	if f, ok := patches[base]; ok {
		out := finding(verify.Invalid, "digest-mismatch", fmt.Sprintf(
			"%s of %s lists %.200s with %d bytes and SHA-256 %s; this file has %d bytes and SHA-256 %s",
			list, v.describe(), base, f.Size, f.SHA256, a.Size, a.SHA256))
		out.Evidence = []verify.Reference{v.reference(), evidence}
		return &out, nil
	}
	return nil, nil
}

// parsePatches reads Packages.diff/Index: the patches as they are (SHA256-Patches) and as they are served, compressed
// (SHA256-Download).
func parsePatches(text []byte) (map[string]file, error) {
	out := map[string]file{}
	inList := false
	for lines := deb822.NewReader(bytes.NewReader(text)); ; {
		l, err := lines.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, errPatches)
		}
		if l.Kind == deb822.Field {
			inList = bytes.EqualFold(l.Name, []byte("SHA256-Patches")) || bytes.EqualFold(l.Name, []byte("SHA256-Download"))
		}
		if l.Kind != deb822.Continuation || !inList {
			continue
		}
		f := strings.Fields(string(l.Value))
		if len(f) != 3 || len(out) == maxPatches {
			return nil, errPatches
		}
		sum, err := verify.ParseDigest(f[0])
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, errPatches)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || size < 0 {
			return nil, errPatches
		}
		out[f[2]] = file{Size: size, SHA256: sum}
	}
}
