package tufclient

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/secure-systems-lab/go-securesystemslib/cjson"
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// FuzzOffer changes the files of a client's walk. Whatever is accepted means what the good file means, the library verifies it as well, and
// nothing else advances the state.
func FuzzOffer(f *testing.F) {
	w := newWorld(f)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.hashes = false
	w.publish("root", "A", "targets", "snapshot", "timestamp")
	names := []string{"2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.A.json"}
	for i, name := range names {
		f.Add(uint8(i), w.files[name])
		compact := new(bytes.Buffer)
		if err := json.Compact(compact, w.files[name]); err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), compact.Bytes())
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		w.tb = t
		n := int(which) % len(names)
		c := w.client()
		for _, name := range names[:n] {
			w.offer(c, noon, name, w.files[name], "good")
		}
		role, err := c.Offer(context.Background(), noon, names[n], data)
		if err != nil {
			if role.Advanced || code(err)[0] == 'e' && code(err) != Expired {
				t.Fatalf("%+v, %v", role, err)
			}
			w.offer(c, noon, names[n], w.files[names[n]], "good") // nothing bad lasts
			return
		}
		if !sameSigned(data, w.files[names[n]]) {
			t.Fatalf("accepted: %s", data)
		}
		if err := byLibrary(w, n, data); err != nil {
			t.Fatalf("the library refuses: %v", err)
		}
	})
}

// byLibrary verifies the file of the nth step with go-tuf.
func byLibrary(w *world, n int, data []byte) error {
	root, err := metadata.Root().FromBytes(w.files["2.root.json"])
	if err != nil {
		return err
	}
	targets, err := metadata.Targets().FromBytes(w.files["2.targets.json"])
	if err != nil {
		return err
	}
	switch n {
	case 0:
		m, err := metadata.Root().FromBytes(data)
		if err != nil {
			return err
		}
		return root.VerifyDelegate("root", m)
	case 1:
		m, err := metadata.Timestamp().FromBytes(data)
		if err != nil {
			return err
		}
		return root.VerifyDelegate("timestamp", m)
	case 2:
		m, err := metadata.Snapshot().FromBytes(data)
		if err != nil {
			return err
		}
		return root.VerifyDelegate("snapshot", m)
	}
	m, err := metadata.Targets().FromBytes(data)
	if err != nil {
		return err
	}
	if n == 3 {
		return root.VerifyDelegate("targets", m)
	}
	return targets.VerifyDelegate("A", m)
}

// FuzzRead signs whatever is given, so that what is read of signed metadata is reached: no input crashes, and what is read of targets is what the
// library reads.
func FuzzRead(f *testing.F) {
	w := newWorld(f)
	w.delegate("targets", "A", nil, "a/*").files["a/one"] = []byte("1")
	w.parts["A"].bins = object{"keyids": []signer{newKeyPair()}, "threshold": 1, "bit_length": 4, "name_prefix": "bin"}
	w.hashes = true
	w.publish("root", "A", "targets", "snapshot", "timestamp")
	for _, name := range []string{"2.root.json", "timestamp.json", "2.snapshot.json", "2.targets.json", "1.A.json"} {
		var m struct{ Signed json.RawMessage }
		if err := json.Unmarshal(w.files[name], &m); err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(m.Signed))
	}
	l := Limits{}.withDefaults()
	f.Fuzz(func(t *testing.T, signed []byte) {
		data := append(append([]byte(`{"signatures":[],"signed":`), signed...), '}')
		if r, err := l.readRoot(data); err == nil && len(r.grants) < 4 {
			t.Fatal("a root without roles")
		}
		l.readTimestamp(data)
		l.readSnapshot(data)
		ours, err := l.readTargets(data, "targets")
		if err != nil {
			return
		}
		work := 1 << 16
		ours.delegations.forPath("a/one", &work)
		theirs, err := metadata.Targets().FromBytes(data)
		if err != nil {
			return // it knows members in any letter case, and takes fewer delegations
		}
		if canonical, err := cjson.EncodeCanonical(theirs.Signed); err != nil || !bytes.Equal(canonical, ours.signed) {
			return // what it read is not what is signed
		}
		for path, file := range theirs.Signed.Targets {
			e, ok := ours.files.get(path)
			if !ok || e.length != file.Length || !bytes.Equal(e.sha256, file.Hashes["sha256"]) || !bytes.Equal(e.sha512, file.Hashes["sha512"]) {
				t.Fatalf("%q is %+v here and %+v there", path, e, file)
			}
		}
		if len(theirs.Signed.Targets) != ours.files.len() {
			t.Fatalf("%d targets here, %d there", ours.files.len(), len(theirs.Signed.Targets))
		}
	})
}
