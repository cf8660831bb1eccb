package sigstore

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/sigstore/sigstoretest"
)

var (
	now      = time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	update   = []byte("an update, as a vendor publishes it")
	workload = verify.Workload{
		BuildSigner: "https://github.com/acme/app/.github/workflows/release.yml@refs/tags/v1.2.3",
		Runner:      "github-hosted",
		Source:      "https://github.com/acme/app",
		Ref:         "refs/tags/v1.2.3",
		Commit:      "0123456789abcdef0123456789abcdef01234567",
		Trigger:     "push",
		Run:         "https://github.com/acme/app/actions/runs/1/attempts/1",
	}
	ci    = sigstoretest.Signer{Identity: workload.BuildSigner, Issuer: githubIssuer, Workload: workload}
	build = sigstoretest.Build{
		Builder: workload.BuildSigner, Type: "https://actions.github.io/buildtypes/workflow/v1",
		Source: workload.Source, Ref: workload.Ref, Commit: workload.Commit,
	}
)

// world is an instance with the demand that most anchors make of it.
type world struct {
	*sigstoretest.Instance
	demand Demand
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Instance: sigstoretest.New("sigstore.test", now)}
	i, err := NewInstance(w.TrustedRoot())
	if err != nil {
		t.Fatal(err)
	}
	w.demand = Demand{Instance: i, Rekor: 1, SCTs: 1}
	return w
}

func artifactOf(data []byte) Artifact {
	return NewArtifact(context.Background(), &verify.Artifact{
		Size: int64(len(data)), Content: bytes.NewReader(data), Digests: verify.Digests{SHA256: sha256.Sum256(data)},
	})
}

// digestOnly is the update when nothing but its SHA-256 is known.
var digestOnly = Artifact{SHA256: sha256.Sum256(update)}

// check parses and verifies.
func check(data []byte, a Artifact, d Demand) (Result, error) {
	b, err := Parse(data)
	if err != nil {
		return Result{}, err
	}
	return Verify(b, a, d, now.Add(time.Hour))
}

// edit returns a JSON document with one change made by f.
func edit(t testing.TB, data []byte, f func(o map[string]any)) []byte {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal(data, &o); err != nil {
		t.Fatal(err)
	}
	f(o)
	out, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// at goes down into a document by names and indexes.
func at(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			v = v.(map[string]any)[p]
		case int:
			v = v.([]any)[p]
		}
	}
	return v
}

func objectAt(v any, path ...any) map[string]any { return at(v, path...).(map[string]any) }

// moduleData returns the folder of sigstore-go in the module cache, whose test data and examples are real bundles.
func moduleData(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/sigstore/sigstore-go").Output()
	dir := strings.TrimSpace(string(out))
	if err != nil || dir == "" {
		t.Skip("the go command does not find sigstore-go's test data: real bundles are left out")
	}
	return filepath.Clean(dir)
}
