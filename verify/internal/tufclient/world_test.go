package tufclient

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/secure-systems-lab/go-securesystemslib/cjson"
)

// noon is the time at which most tests judge.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const day = 24 * time.Hour

type object = map[string]any

// signer is a key with its private part.
type signer struct {
	id     string
	public object
	sign   func([]byte) []byte
}

var keyCount int

// newKey makes an Ed25519 key; every one is another.
func newKeyPair() signer {
	keyCount++
	seed := sha256.Sum256(fmt.Appendf(nil, "key %d", keyCount))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := object{"keytype": "ed25519", "scheme": "ed25519", "keyval": object{"public": hex.EncodeToString(private.Public().(ed25519.PublicKey))}}
	return signer{keyID(public), public, func(data []byte) []byte { return ed25519.Sign(private, data) }}
}

func keyID(public object) string {
	data, err := cjson.EncodeCanonical(public)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}

// part is a role of a world: who signs it and what it says.
type part struct {
	version     int64
	expires     time.Time
	signers     []signer // who sign it
	granted     []signer // whom the delegator names; nil: the signers
	threshold   int
	files       map[string][]byte // targets
	delegations []object          // in the order of the file; "name" and conditions
	bins        object            // succinct_roles, in place of delegations
	extra       object            // members of signed that replace others
}

func (p *part) grantees() []signer {
	if p.granted != nil {
		return p.granted
	}
	return p.signers
}

// world is a repository in the making, and the files that it serves.
type world struct {
	tb         testing.TB
	parts      map[string]*part
	consistent bool
	hashes     bool // in snapshot and timestamp
	files      map[string][]byte
	initial    []byte // the first root

	mu    sync.Mutex
	asked []string
	fails map[string]error
}

// newWorld returns a repository of one target, published.
func newWorld(tb testing.TB) *world {
	w := &world{tb: tb, parts: map[string]*part{}, consistent: true, files: map[string][]byte{}, fails: map[string]error{}}
	for _, role := range []string{"root", "timestamp", "snapshot", "targets"} {
		w.role(role)
	}
	w.parts["targets"].files["app.msi"] = []byte("installer")
	w.publish("root", "targets", "snapshot", "timestamp")
	w.initial = w.files["1.root.json"]
	return w
}

// role adds a role with a key of its own.
func (w *world) role(name string) *part {
	p := &part{expires: noon.Add(30 * day), signers: []signer{newKeyPair()}, threshold: 1, files: map[string][]byte{}, extra: object{}}
	w.parts[name] = p
	return p
}

// delegate adds a role to which parent delegates the paths.
func (w *world) delegate(parent, name string, more object, paths ...string) *part {
	p := w.parts[name]
	if p == nil {
		p = w.role(name)
	}
	d := object{"name": name, "paths": paths, "terminating": false}
	maps.Copy(d, more)
	w.parts[parent].delegations = append(w.parts[parent].delegations, d)
	return p
}

// publish makes new versions of the roles.
func (w *world) publish(roles ...string) {
	for _, role := range roles {
		w.parts[role].version++
		w.write(role)
	}
}

// everything publishes all roles, those that are listed before those that list them.
func (w *world) everything() {
	names := slices.Sorted(maps.Keys(w.parts))
	for _, name := range names {
		if !topLevel(name) {
			w.publish(name)
		}
	}
	w.publish("targets", "snapshot", "timestamp")
}

// write puts the file of a role where it belongs.
func (w *world) write(role string) {
	p := w.parts[role]
	signed := object{"_type": role, "spec_version": "1.0.31", "version": p.version, "expires": p.expires.Format(time.RFC3339)}
	switch role {
	case "root":
		signed["consistent_snapshot"] = w.consistent
		signed["keys"], signed["roles"] = w.grants([]string{"root", "timestamp", "snapshot", "targets"})
	case "timestamp":
		signed["meta"] = object{"snapshot.json": w.listing("snapshot")}
	case "snapshot":
		meta := object{}
		for name := range w.parts {
			if name == "targets" || !topLevel(name) {
				meta[name+".json"] = w.listing(name)
			}
		}
		signed["meta"] = meta
	default:
		signed["_type"] = "targets"
		w.describe(p, signed)
	}
	maps.Copy(signed, p.extra)
	w.files[w.fileName(role, p.version)] = sign(signed, p.signers...)
}

func (w *world) fileName(role string, version int64) string {
	return fileName(role, version, role == "root" || w.consistent && role != "timestamp")
}

func (w *world) listing(role string) object {
	p := w.parts[role]
	out := object{"version": p.version}
	if data := w.files[w.fileName(role, p.version)]; w.hashes && data != nil {
		sum, long := sha256.Sum256(data), sha512.Sum512(data)
		out["length"], out["hashes"] = len(data), object{"sha256": hex.EncodeToString(sum[:]), "sha512": hex.EncodeToString(long[:])}
	}
	return out
}

func (w *world) grants(roles []string) (keys, by object) {
	keys, by = object{}, object{}
	for _, role := range roles {
		p := w.parts[role]
		ids := []string{}
		for _, s := range p.grantees() {
			keys[s.id] = s.public
			ids = append(ids, s.id)
		}
		by[role] = object{"keyids": ids, "threshold": p.threshold}
	}
	return keys, by
}

// describe fills in targets and delegations.
func (w *world) describe(p *part, signed object) {
	files := object{}
	for path, content := range p.files {
		sum := sha256.Sum256(content)
		files[path] = object{"length": len(content), "hashes": object{"sha256": hex.EncodeToString(sum[:])}}
	}
	signed["targets"] = files
	if p.bins != nil {
		keys := object{}
		for _, id := range p.bins["keyids"].([]signer) {
			keys[id.id] = id.public
		}
		bins := maps.Clone(p.bins)
		bins["keyids"] = ids(p.bins["keyids"].([]signer))
		signed["delegations"] = object{"keys": keys, "succinct_roles": bins}
		return
	}
	if p.delegations == nil {
		return
	}
	keys, list := object{}, []object{}
	for _, d := range p.delegations {
		d = maps.Clone(d)
		k, by := w.grants([]string{d["name"].(string)})
		if own, ok := d["signers"].([]signer); ok { // this delegator names other keys than the role's own
			by[d["name"].(string)] = object{"keyids": ids(own), "threshold": 1}
			for _, s := range own {
				keys[s.id] = s.public
			}
			delete(d, "signers")
		}
		maps.Copy(keys, k)
		for k, v := range by[d["name"].(string)].(object) {
			if _, ok := d[k]; !ok {
				d[k] = v
			}
		}
		list = append(list, d)
	}
	signed["delegations"] = object{"keys": keys, "roles": list}
}

func ids(of []signer) []string {
	out := []string{}
	for _, s := range of {
		out = append(out, s.id)
	}
	return out
}

// sign returns a metadata file.
func sign(signed any, by ...signer) []byte {
	data, err := cjson.EncodeCanonical(signed)
	if err != nil {
		panic(err)
	}
	signatures := []object{}
	for _, s := range by {
		signatures = append(signatures, object{"keyid": s.id, "sig": hex.EncodeToString(s.sign(data))})
	}
	out, err := json.MarshalIndent(object{"signed": signed, "signatures": signatures}, "", " ")
	if err != nil {
		panic(err)
	}
	return out
}

// fetch is a Fetch of what the world serves.
func (w *world) fetch(ctx context.Context, name string, limit int64) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, name)
	if err := w.fails[name]; err != nil {
		return nil, err
	}
	data, ok := w.files[name]
	switch {
	case !ok:
		return nil, verify.ErrNotExist
	case int64(len(data)) > limit:
		return nil, verify.ErrTooLarge
	}
	return data, ctx.Err()
}

// requests returns what was fetched since the last call.
func (w *world) requests() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := strings.Join(w.asked, " ")
	w.asked = nil
	return out
}

// shelf is a Store in memory.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
	before func(name string) error // called before every Advance, without the mutex
}

func newShelf() *shelf { return &shelf{values: map[string][]byte{}} }

func (s *shelf) Load(name string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[name], nil
}

func (s *shelf) Advance(name string, old, new []byte) error {
	if s.before != nil {
		if err := s.before(name); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.values[name]
	if (old == nil) != (now == nil) || !bytes.Equal(old, now) {
		return verify.ErrConflict
	}
	s.values[name] = append([]byte{}, new...)
	return nil
}

// client returns a Client of the world with an empty Store.
func (w *world) client() *Client { return New(w.initial, newShelf(), Limits{}) }

func code(err error) string {
	var e *Error
	switch {
	case err == nil:
		return "good"
	case errors.As(err, &e):
		return e.Code
	}
	return "error: " + err.Error()
}

// refresh refreshes and compares the outcome.
func (w *world) refresh(c *Client, at time.Time, want string) {
	w.tb.Helper()
	if _, err := c.Refresh(context.Background(), w.fetch, at); code(err) != want {
		w.tb.Fatalf("refresh: %v, want %s", err, want)
	}
}

// look looks a target up and compares the outcome.
func (w *world) look(c *Client, at time.Time, path, want string) Target {
	w.tb.Helper()
	t, err := c.Lookup(context.Background(), w.fetch, at, path)
	if code(err) != want {
		w.tb.Fatalf("look-up of %s: %v, want %s", path, err, want)
	}
	return t
}

// offer offers a file and compares the outcome.
func (w *world) offer(c *Client, at time.Time, name string, data []byte, want string) Role {
	w.tb.Helper()
	r, err := c.Offer(context.Background(), at, name, data)
	if code(err) != want {
		w.tb.Fatalf("offer of %s: %v, want %s", name, err, want)
	}
	return r
}

func chain(t Target) string {
	var out []string
	for _, s := range t.Chain {
		out = append(out, fmt.Sprintf("%s/%d", s.Role, s.Version))
	}
	return strings.Join(out, " ")
}

func escaped(role string) string { return url.PathEscape(role) }
