package sigstore

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"golang.org/x/crypto/ssh"

	"github.com/sallyport-project/sallyport/verify"
	core "github.com/sallyport-project/sallyport/verify/internal/sigstore"
)

// group is the anchors that ask for the same, so that a bundle is verified for all of them at once.
type group struct {
	demand  core.Demand
	anchors []*verify.SigstoreAnchor
	hints   map[string]bool    // what bundles call the demand's keys
	root    []verify.Reference // the trusted root that the instance is of, where it was fetched
	lacking string             // why there is nothing to verify against
}

// groups puts the anchors of env into groups.
func (v *Verifier) groups(env verify.Env) ([]*group, error) {
	var out []*group
	by := map[string]*group{}
	for i := range env.Trust.Sigstore {
		a := &env.Trust.Sigstore[i]
		trusted, source, err := v.roots.of(a, env.Memory)
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		fmt.Fprintf(h, "%x %d %d %d %x", sha256.Sum256(trusted), a.Rekor, a.Timestamps, a.SCTs, a.Keys)
		key := string(h.Sum(nil))
		if g := by[key]; g != nil {
			g.anchors = append(g.anchors, a)
			continue
		}
		g := &group{demand: core.Demand{Keys: a.Keys, Rekor: a.Rekor, Timestamps: a.Timestamps, SCTs: a.SCTs}, anchors: []*verify.SigstoreAnchor{a}, hints: hintsOf(a.Keys)}
		by[key] = g
		out = append(out, g)
		g.use(a, trusted, source)
		for _, der := range a.Keys {
			if err := core.CheckKey(der); err != nil {
				g.lacking = fmt.Sprintf("a key of the anchor %s cannot be used: %v", a.Anchor, err)
			}
		}
	}
	return out, nil
}

// use sets the instance of a group.
func (g *group) use(a *verify.SigstoreAnchor, trusted []byte, source string) {
	if trusted == nil {
		if len(a.Keys) == 0 || a.RootSource != nil {
			g.lacking = fmt.Sprintf("no trusted root was fetched yet for the anchor %s", a.Anchor)
		}
		return
	}
	instance, err := core.NewInstance(trusted)
	if err != nil {
		g.lacking = fmt.Sprintf("the trusted root for the anchor %s cannot be read: %v", a.Anchor, err)
		return
	}
	if a.Rekor > 0 && !instance.HasLogs() || a.Timestamps > 0 && !instance.HasTimestamps() || a.SCTs > 0 && !instance.HasSCTs() {
		g.lacking = fmt.Sprintf("the trusted root for the anchor %s has none of the logs or timestamping authorities that the anchor asks for", a.Anchor)
		return
	}
	g.demand.Instance = instance
	if source != "" {
		g.root = []verify.Reference{{URL: source, SHA256: sha256.Sum256(trusted)}}
	}
}

// hintsOf returns what signers call these keys in bundles: the digest of the key as cosign, npm (the fingerprint of OpenSSH) and others
// write it.
func hintsOf(keys [][]byte) map[string]bool {
	out := map[string]bool{}
	for _, der := range keys {
		sum := sha256.Sum256(der)
		out[hex.EncodeToString(sum[:])] = true
		out[base64.StdEncoding.EncodeToString(sum[:])] = true
		out["SHA256:"+base64.StdEncoding.EncodeToString(sum[:])] = true
		if public, err := x509.ParsePKIXPublicKey(der); err == nil {
			if k, err := ssh.NewPublicKey(public); err == nil {
				out[ssh.FingerprintSHA256(k)] = true
			}
		}
	}
	return out
}
