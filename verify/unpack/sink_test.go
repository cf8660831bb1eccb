package unpack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sallyport-project/sallyport/verify"
)

// sink is an Inside that keeps everything. It opens what it is offered again with the openers in again.
type sink struct {
	files  map[string][]byte
	unread map[string]string
	links  map[string]string
	broken map[string]error
	order  []string
	total  int64
	skip   bool // reads nothing
	again  []verify.Opener
	found  []verify.Finding
}

func newSink() *sink {
	return &sink{files: map[string][]byte{}, unread: map[string]string{}, links: map[string]string{}, broken: map[string]error{}}
}

var errSinkFull = errors.New("enough")

// Offer implements verify.Inside.
func (s *sink) Offer(e verify.Entry) error {
	s.order = append(s.order, e.Name)
	r := e.Reader
	switch {
	case e.Unread != "":
		s.unread[e.Name] = e.Unread
		return nil
	case e.Link != "":
		s.links[e.Name] = e.Link
		return nil
	case e.Directory || s.skip:
		return nil
	case e.Content != nil:
		r = io.NewSectionReader(e.Content, 0, e.Size)
	}
	b, err := io.ReadAll(io.LimitReader(r, 64<<20))
	if s.total += int64(len(b)); s.total > 256<<20 {
		return errSinkFull
	}
	if err != nil {
		s.broken[e.Name] = err
		if !errors.Is(err, verify.ErrBroken) {
			return err
		}
		return nil
	}
	if e.Size >= 0 && int64(len(b)) != e.Size {
		s.broken[e.Name] = fmt.Errorf("%d bytes of %d", len(b), e.Size)
	}
	s.files[e.Name] = b
	return s.open(e.Name, b)
}

func (s *sink) open(name string, b []byte) error {
	a := &verify.Artifact{Name: name, Size: int64(len(b)), Content: bytes.NewReader(b)}
	for _, o := range s.again {
		if o.Match(a) {
			found, err := o.Open(context.Background(), a, below{s, name + "!"})
			s.found = append(s.found, found...)
			return err
		}
	}
	return nil
}

// openWith opens b and returns what came of it.
func openWith(t testing.TB, o verify.Opener, b []byte, again ...verify.Opener) (*sink, []string) {
	t.Helper()
	s := newSink()
	s.again = again
	a := &verify.Artifact{Name: "a", Size: int64(len(b)), Content: bytes.NewReader(b)}
	if !o.Match(a) {
		return s, []string{"no match"}
	}
	found, err := o.Open(t.Context(), a, s)
	if err != nil && !errors.Is(err, errSinkFull) {
		t.Fatalf("%s: %v", o.Method(), err)
	}
	return s, codes(append(found, s.found...))
}

// codes is the findings as "status:code", without the method.
func codes(found []verify.Finding) []string {
	var out []string
	for _, f := range found {
		_, code, _ := strings.Cut(f.Code, "/")
		out = append(out, f.Status.String()+":"+code)
	}
	return out
}

// shaOf returns the SHA-256 of each file by its name.
func shaOf(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for name, b := range files {
		out[name] = fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return out
}

// shaBelow does the same with the files below a directory.
func shaBelow(t *testing.T, dir string) map[string]string {
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		files[filepath.ToSlash(rel)] = b
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return shaOf(files)
}

// referenceTool returns the path of a program that others are compared with, or skips the test.
func referenceTool(t *testing.T, name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: the comparison with it is left out", name)
	}
	return path
}

// runTool runs a program in a directory.
func runTool(t *testing.T, dir, path string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", path, strings.Join(args, " "), err, out)
	}
}

// artifactOf makes bytes an artifact.
func artifactOf(b []byte) *verify.Artifact {
	return &verify.Artifact{Name: "a", Size: int64(len(b)), Content: bytes.NewReader(b)}
}

// onlyLast reads one file only.
type onlyLast struct {
	*sink
	name string
}

// Offer implements verify.Inside.
func (l *onlyLast) Offer(e verify.Entry) error {
	if e.Name != l.name {
		return nil
	}
	return l.sink.Offer(e)
}

// exec7z runs "7z a".
func exec7z(dir string, args []string) error {
	cmd := exec.Command("7z", append([]string{"a"}, args...)...)
	cmd.Dir = dir
	return cmd.Run()
}
