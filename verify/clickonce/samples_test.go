package clickonce

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/sallyport-project/sallyport/verify/verifytest"
)

// TestRealManifest judges an application manifest that Visual Studio made and nobody signed.
func TestRealManifest(t *testing.T) {
	dir := os.Getenv("SALLYPORT_SAMPLES")
	if dir == "" {
		t.Skip("SALLYPORT_SAMPLES is not set: real manifests are left out; .ci/test fetches them")
	}
	path := filepath.Join(dir, "clickonce", "relic-WindowsFormsApplication1.exe.manifest")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("%v: it is left out", err)
	}
	a := artifact("WindowsFormsApplication1.exe.manifest", data)
	verifytest.Run(t, New(), verifytest.Case{Name: "unsigned", Data: data, Artifact: *a, Want: want("absent:unsigned")})
}
