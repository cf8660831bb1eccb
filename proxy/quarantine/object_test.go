package quarantine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/sallyport-project/sallyport/policy"
	"github.com/sallyport-project/sallyport/verify"
)

func TestObjectsSurviveRestarts(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("update"), "a")
	want := Object{
		Key: "GET https://example.org/update?token=secret shared", SHA256: d, Status: 200,
		ETag: `W/"abc"`, LastModified: "Sat, 21 Nov 2026 10:00:00 GMT",
		Date: time.Unix(1795000000, 0).UTC(), FreshUntil: time.Unix(1795000600, 0).UTC(),
		Header: map[string][]string{"Content-Type": {"application/x-msi"}, "Vary": {"a", "b"}}, Stored: time.Unix(1795000001, 0).UTC(),
	}
	if err := b.vault.Remember(want); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, ok := b.vault.Recall(want.Key); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n%+v\n%+v", ok, got, want)
		}
		b.reopen(Options{})
	}
	walkFiles(t, filepath.Join(b.dir, objectsDir), func(path string) {
		if data, err := os.ReadFile(path); err != nil || bytes.Contains(data, []byte("secret")) {
			t.Errorf("the key is on disk: %s, %v", data, err)
		}
	})
	if _, ok := b.vault.Recall("GET https://example.org/other"); ok {
		t.Error("another URL")
	}
	b.vault.Forget(want.Key)
	if _, ok := b.vault.Recall(want.Key); ok {
		t.Error("forgotten and recalled")
	}
	b.vault.Forget(want.Key)
}

// An object leads to an item that is there, or nowhere.
func TestObjectsGoWithTheirItem(t *testing.T) {
	b := newBench(t, Options{})
	for _, restart := range []bool{false, true} {
		data := []byte("update")
		d := b.release(data, "a")
		if err := b.vault.Remember(Object{Key: "k", SHA256: d, Status: 200}); err != nil {
			t.Fatal(err)
		}
		if restart {
			b.reopen(Options{})
		}
		if _, err := b.settle(b.hold(data), "a", policy.Block); err != nil {
			t.Fatal(err)
		}
		left := func(path string) { t.Errorf("%s is left over", path) }
		if !restart {
			walkFiles(t, filepath.Join(b.dir, objectsDir), left) // after one, they go when they are recalled
		}
		if _, ok := b.vault.Recall("k"); ok {
			t.Error("recalled without its item")
		}
		walkFiles(t, filepath.Join(b.dir, objectsDir), left)
	}
	item := b.hold([]byte("held"))
	defer item.Close()
	for name, d := range map[string]verify.Digest{"held": item.SHA256, "unknown": {1}} {
		if err := b.vault.Remember(Object{Key: "k", SHA256: d, Status: 200}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedObjects(t *testing.T) {
	b := newBench(t, Options{})
	d := b.release([]byte("update"), "a")
	path := b.vault.paths.object(objectKey("k"))
	remember := func() []byte {
		t.Helper()
		if err := b.vault.Remember(Object{Key: "k", SHA256: d, Status: 200, ETag: "e"}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	data := remember()
	for i := range data {
		damaged := bytes.Clone(data)
		damaged[i] ^= 1
		for _, content := range [][]byte{damaged, data[:i]} {
			remember()
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			if o, ok := b.vault.Recall("k"); ok {
				t.Fatalf("recalled %+v from a file damaged at byte %d", o, i)
			}
		}
	}
	for _, o := range []Object{
		{Key: "k", Status: 200}, {Key: "k", SHA256: d}, {Key: "k", SHA256: d, Status: 1000},
		{Key: "k", SHA256: d, Status: 200, ETag: strings.Repeat("x", maxObjectFile)},
	} {
		if err := b.vault.Remember(o); err == nil {
			t.Errorf("remembered %.80v", o)
		}
	}
}

func TestNumberOfObjectsIsBounded(t *testing.T) {
	b := newBench(t, Options{Objects: 5})
	d := b.release([]byte("update"), "a")
	for i := range 9 {
		if err := b.vault.Remember(Object{Key: fmt.Sprint(i), SHA256: d, Status: 200}); err != nil {
			t.Fatal(err)
		}
		b.vault.Recall("0")
	}
	count := func() (n int) {
		walkFiles(t, filepath.Join(b.dir, objectsDir), func(string) { n++ })
		return n
	}
	if _, ok := b.vault.Recall("0"); !ok || count() != 5 {
		t.Errorf("%d objects, the one in use is there: %v", count(), ok)
	}
	b.reopen(Options{Objects: 3})
	if count() != 3 {
		t.Errorf("%d objects after a restart with less", count())
	}
}

func FuzzObject(f *testing.F) {
	f.Add([]byte(`{"v":1,"sha256":"` + strings.Repeat("ab", 32) + `","status":200,"etag":"\"x\"","header":{"A":["b"]},"stored":"2026-11-22T00:00:00Z"}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"sha256":"` + strings.Repeat("ab", 32) + `","status":99}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		o, err := parseObject(line)
		if err != nil {
			return
		}
		if o.SHA256.IsZero() || o.Status < 200 || o.Key != "" {
			t.Fatalf("accepted %+v", o)
		}
		data, err := encodeObject(o)
		if err != nil {
			return // escapes can make it larger
		}
		again, err := unseal(data)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := parseObject(again); err != nil || !reflect.DeepEqual(normal(second), normal(o)) {
			t.Fatalf("%v\n%+v\n%+v", err, second, o)
		}
	})
}

// normal makes objects comparable that mean the same: times of one instant, empty and missing headers.
func normal(o Object) Object {
	for _, at := range []*time.Time{&o.Date, &o.FreshUntil, &o.Stored} {
		*at = at.UTC()
	}
	if len(o.Header) == 0 {
		o.Header = nil
	}
	return o
}
