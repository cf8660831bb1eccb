package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	tufconfig "github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/sallyport-project/sallyport/policy/audit"
	"github.com/sallyport-project/sallyport/verify/tuf/tuftest"
)

const (
	tufTarget  = "app/tool-1.0.bin"
	tufTargets = "https://updates.example/targets/"
	tufFolder  = "https://metadata.example/metadata/"
	tufPolicy  = `version: 1
defaults: {hosts: inspect, hold_max: 2m}
anchors: {vendor: {tuf: {root: root.json, metadata: "` + tufFolder + `", targets: "` + tufTargets + `", refresh: 1s}}}
channels:
- {name: vendor, hosts: [updates.example, metadata.example], require: [{signed_by: [vendor]}]}
`
)

// tufVendor is a vendor who publishes by TUF, metadata and targets on hosts of their own, and a proxy in front of it.
type tufVendor struct {
	*gateway
	repo           *tuftest.Repository
	metadata, bulk *tuftest.Server
	body           []byte
	asked          int // requests so far: each is by a client of another name, so that none shares another's answer
}

func newTUFVendor(t *testing.T) *tufVendor {
	t.Helper()
	v := &tufVendor{metadata: &tuftest.Server{}, bulk: &tuftest.Server{}, body: bytes.Repeat([]byte("what the vendor ships\n"), 4000)}
	var err error
	if v.repo, err = tuftest.New(tuftest.Options{At: time.Now(), Seed: t.Name(), Keys: 2, Threshold: 2}); err != nil {
		t.Fatal(err)
	}
	v.gateway = newGateway(t, tufPolicy, map[string]string{
		"updates.example": tlsOrigin(t, v.bulk, "updates.example"), "metadata.example": tlsOrigin(t, v.metadata, "metadata.example"),
	})
	apps, _, err := v.repo.Delegate(v.repo.Targets, "apps", "app/*")
	if err != nil {
		t.Fatal(err)
	}
	v.repo.Add(apps, tufTarget, v.body)
	v.repo.Add(v.repo.Targets, "other.bin", []byte("something else"))
	v.publish()
	v.repo.Targets.Change()
	v.publish()
	v.write("root.json", string(v.repo.TrustedRoot(1)))
	return v
}

// publish has the vendor sign all anew and serve it.
func (v *tufVendor) publish() {
	v.t.Helper()
	files, err := v.repo.Publish()
	if err != nil {
		v.t.Fatal(err)
	}
	v.set(tuftest.State{Files: files})
}

func (v *tufVendor) set(state tuftest.State) {
	v.metadata.Set(state)
	v.bulk.Set(state)
}

func (v *tufVendor) get(url string) fetched {
	v.asked++
	return v.curl(url, "-A", fmt.Sprintf("client/%d", v.asked))
}

// until asks for a path until the answer is as wanted. The bound is for slow machines: nothing depends on how soon it is.
func (v *tufVendor) until(path, what string, is func(fetched) bool) fetched {
	v.t.Helper()
	var got fetched
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		if got = v.get(path); is(got) {
			return got
		}
	}
	v.t.Fatalf("never %s; the last answer: %s %.1000s", what, got.status, got.body)
	return got
}

func (v *tufVendor) allowed(path string, want []byte) {
	v.t.Helper()
	v.until(path, "allowed", func(f fetched) bool { return f.status == "200" && bytes.Equal(f.body, want) })
}

// refused waits until a path is refused for what a finding with that code says, and checks the record that the answer names.
func (v *tufVendor) refused(path, code string) audit.Record {
	v.t.Helper()
	got := v.until(path, "refused for "+code, func(f fetched) bool {
		return f.status == "403" && strings.Contains(string(f.body), code)
	})
	if bytes.Contains(got.body, v.body[:40]) {
		v.t.Errorf("%s: the refusal holds what was refused", code)
	}
	for _, rec := range v.decisions() {
		if bytes.Contains(got.body, []byte(rec.ID)) {
			if !strings.Contains(" "+codes(rec)+" ", " "+code+" ") {
				v.t.Errorf("the record of the refusal has the findings %q, not %s", codes(rec), code)
			}
			return rec
		}
	}
	v.t.Errorf("%s: the answer names no record: %s", code, got.body)
	return audit.Record{}
}

// Every attack that the specification names is refused with the finding that says so, and when it is over everything is as
// before, without a restart.
func TestTUFThroughTheProxy(t *testing.T) {
	v := newTUFVendor(t)
	v.start()
	v.allowed(tufTargets+tufTarget, v.body)
	rec := v.decisions()[0]
	if f := rec.Findings[0]; f.Code != "tuf/listed" || f.Signer != "role apps of vendor" || len(f.Anchors) != 1 || !strings.Contains(f.Detail, "keys ") {
		t.Errorf("%+v", f)
	}
	if len(rec.Evidence) == 0 || rec.Evidence[0].SHA256.IsZero() {
		t.Errorf("evidence %+v", rec.Evidence)
	}
	wanted := map[string]bool{
		"replayed-timestamp": true, "frozen": true, "expired-targets": true, "swapped-target": true, "removed-delegation": true,
		"threshold-cut": true, "oversize": true, "mix-and-match": true, "fast-forward": true, "tampered": true,
	}
	for _, a := range tuftest.Attacks() {
		if !wanted[a.Name] || testing.Short() && a.Name != "replayed-timestamp" && a.Name != "swapped-target" {
			continue
		}
		t.Run(a.Name, func(t *testing.T) {
			v.t = t
			state, err := a.On(v.repo, tufTarget)
			if err != nil {
				t.Fatal(err)
			}
			v.set(state)
			v.refused(tufTargets+tufTarget, a.Code)
			v.repo.Targets.Change()
			v.publish()
			v.allowed(tufTargets+tufTarget, v.body)
			v.allowed(tufTargets+"other.bin", []byte("something else"))
		})
	}
	v.t = t
	out, errs, code := v.sallyport("audit", "list", "--kind", "learn")
	if code != 0 || !strings.Contains(out, "tuf anchor vendor: vendor: ") || !strings.Contains(out, "not refreshed (tuf/") || !strings.Contains(out, "in order again") {
		t.Errorf("what was refreshed is not recorded: %s%s", out, errs)
	}
}

// Metadata that clients fetch by themselves is verified against what is trusted, and teaches what is newer.
func TestTUFMetadataThroughTheProxy(t *testing.T) {
	v := newTUFVendor(t)
	v.start()
	v.allowed(tufTargets+tufTarget, v.body)
	good := v.metadata.State().Files
	const timestamp = tufFolder + "timestamp.json"
	v.allowed(timestamp, good["metadata/timestamp.json"])
	for _, name := range []string{"replayed-timestamp", "tampered", "frozen", "foreign-key"} {
		for _, a := range tuftest.Attacks() {
			if a.Name != name {
				continue
			}
			state, err := a.On(v.repo, tufTarget)
			if err != nil {
				t.Fatal(err)
			}
			v.set(state)
			rec := v.refused(timestamp, a.Code)
			if rec.Artifact != nil && rec.Artifact.Role != "metadata" {
				t.Errorf("%s: the role is %s", name, rec.Artifact.Role)
			}
			v.publish()
			v.allowed(timestamp, v.metadata.State().Files["metadata/timestamp.json"])
		}
	}
	// What a client has seen holds for targets as well.
	v.repo.Targets.Remove("other.bin")
	v.publish()
	v.allowed(timestamp, v.metadata.State().Files["metadata/timestamp.json"])
	v.refused(tufTargets+"other.bin", "tuf/not-listed")
}

// What was known when the repository vanished is in force until it expires, after a restart as well.
func TestTUFRepositoryThatIsGone(t *testing.T) {
	v := newTUFVendor(t)
	v.start()
	v.allowed(tufTargets+tufTarget, v.body)
	v.metadata.Set(tuftest.State{Gone: true})
	v.stop()
	v.run()
	v.allowed(tufTargets+tufTarget, v.body)
	rec := v.decisions()[0]
	if !strings.Contains(codes(rec), "tuf/unavailable") || !strings.Contains(codes(rec), "tuf/listed") {
		t.Errorf("findings %q do not say that nobody answers", codes(rec))
	}
	v.bulk.Serve(tuftest.Files{"targets/" + tufTarget: []byte("not what the vendor ships")})
	v.refused(tufTargets+tufTarget, "tuf/digest-mismatch")
	v.stop()
	v.run()
	// What an older repository says is no news, although the process has begun anew.
	old, err := tuftest.New(tuftest.Options{At: time.Now(), Seed: t.Name(), Keys: 2, Threshold: 2})
	if err != nil {
		t.Fatal(err)
	}
	old.Add(old.Targets, tufTarget, []byte("not what the vendor ships"))
	first, err := old.Publish()
	if err != nil {
		t.Fatal(err)
	}
	v.set(tuftest.State{Files: first})
	v.refused(tufTargets+tufTarget, "tuf/rollback")
	v.publish()
	v.allowed(tufTargets+tufTarget, v.body)
	// Nothing is in force for ever.
	v.until(tufFolder+"timestamp.json", "known", func(f fetched) bool {
		known := f.status == "200" && bytes.Equal(f.body, v.metadata.State().Files["metadata/timestamp.json"]) && v.repo.Timestamp.Expires.Before(time.Now().Add(time.Hour))
		if !known {
			v.repo.Timestamp.Expires = time.Now().Add(20 * time.Second)
			v.publish()
		}
		return known
	})
	v.metadata.Set(tuftest.State{Gone: true})
	v.refused(tufTargets+tufTarget, "tuf/expired")
	v.repo.Timestamp.Expires = time.Now().Add(24 * time.Hour)
	v.publish()
	v.allowed(tufTargets+tufTarget, v.body)
}

// A command judges as the proxy does: by what the proxy remembers, and by metadata in a folder.
func TestTUFOffline(t *testing.T) {
	v := newTUFVendor(t)
	v.start()
	v.allowed(tufTargets+tufTarget, v.body)
	v.stop()
	v.metadata.Set(tuftest.State{Gone: true})
	v.write("tool", string(v.body))
	v.write("bad", string(v.body[1:]))
	published := filepath.Join(v.dir, "published")
	for name, body := range v.bulk.State().Files {
		file := filepath.Join(published, "metadata.example", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, file, state, sidecars, code string
		exit                              int
	}{
		{"as remembered", "tool", "state", t.TempDir(), "tuf/listed", 0},
		{"another file, as remembered", "bad", "state", t.TempDir(), "tuf/digest-mismatch", 1},
		{"as published", "tool", "fresh", published, "tuf/listed", 0},
		{"another file, as published", "bad", "fresh", published, "tuf/digest-mismatch", 1},
		{"with nothing known", "tool", "fresh", t.TempDir(), "tuf/unavailable", 1},
	} {
		out, errs, exit := v.verifyWith(filepath.Join(v.dir, c.state), "--url", tufTargets+tufTarget, "--sidecars", c.sidecars, filepath.Join(v.dir, c.file))
		if exit != c.exit || !strings.Contains(out, c.code) {
			t.Errorf("%s: exit %d, want %d and %s:\n%s%s", c.name, exit, c.exit, c.code, out, errs)
		}
	}
}

// verifyWith runs sallyport verify with the gateway's policy and another state, which need not be there.
func (g *gateway) verifyWith(state string, args ...string) (stdout, stderr string, code int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.binary, append([]string{"verify", "--policy", filepath.Join(g.dir, "policy.yaml")}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(clean(os.Environ()), "SALLYPORT_STATE="+state)
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// fetcher is what the reference client fetches with: through the proxy, trusting its CA.
type fetcher struct{ client *http.Client }

// DownloadFile implements the client's interface.
func (f fetcher) DownloadFile(url string, most int64, _ time.Duration) ([]byte, error) {
	resp, err := f.client.Get(url)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: resp.StatusCode, URL: url}
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err == nil && int64(len(body)) > most {
		err = &metadata.ErrDownloadLengthMismatch{Msg: url}
	}
	return body, err
}

// The reference client fetches metadata and targets through the proxy as it would without it.
func TestTUFReferenceClient(t *testing.T) {
	v := newTUFVendor(t)
	v.start()
	client := func() *updater.Updater {
		cfg, err := tufconfig.New(tufFolder, v.repo.TrustedRoot(1))
		if err != nil {
			t.Fatal(err)
		}
		cfg.RemoteTargetsURL, cfg.DisableLocalCache = strings.TrimSuffix(tufTargets, "/"), true
		cfg.Fetcher = fetcher{v.httpClient()}
		u, err := updater.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	u := client()
	if err := u.Refresh(); err != nil {
		t.Fatalf("refresh: %v", err)
	}
	info, err := u.GetTargetInfo(tufTarget)
	if err != nil {
		t.Fatal(err)
	}
	if _, body, err := u.DownloadTarget(info, "", ""); err != nil || !bytes.Equal(body, v.body) {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if rec := v.decisions()[0]; !strings.Contains(codes(rec), "tuf/listed") {
		t.Errorf("the target, by its digest: %q", codes(rec))
	}
	// An old timestamp does not even reach a client that would know no better.
	for _, a := range tuftest.Attacks() {
		if a.Name == "replayed-timestamp" {
			state, err := a.On(v.repo, tufTarget)
			if err != nil {
				t.Fatal(err)
			}
			v.set(state)
		}
	}
	var refused *metadata.ErrDownloadHTTP
	if err := client().Refresh(); !errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden {
		t.Errorf("a replayed timestamp: %v", err)
	}
}

// httpClient returns a client in the test's own process that goes through the proxy.
func (g *gateway) httpClient() *http.Client {
	g.t.Helper()
	pem, err := os.ReadFile(g.exportCA())
	if err != nil {
		g.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	through := &url.URL{Scheme: "http", Host: g.address}
	tr := &http.Transport{Proxy: http.ProxyURL(through), TLSClientConfig: &tls.Config{RootCAs: roots}, DisableCompression: true}
	g.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 2 * time.Minute}
}
