package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// tools are what the reference tools keep between samples.
type tools struct{ databases map[string]*database }

// tool runs a reference tool. ok is false where it is not installed.
func tool(ctx context.Context, name string, args ...string) (out string, success, ok bool) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", false, false
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	b, err := cmd.CombinedOutput()
	return string(b), err == nil, true
}

// file returns a place on disk where a tool finds the subject under its own name.
func (s *session) file(f *subject) (string, error) {
	if !f.restored {
		return f.path, nil
	}
	return s.write(filepath.Base(f.path), f.data)
}

// write puts bytes into a directory of their own.
func (s *session) write(name string, data []byte) (string, error) {
	dir, err := os.MkdirTemp(s.tmp, "")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, data, 0o600)
}

// said makes a verdict of what a tool said.
func said(name string, accepted bool, detail string) verdict {
	v := verdict{known: true, accepted: accepted, text: name + ": refused", detail: "\n" + indent(detail)}
	if accepted {
		v.text = name + ": accepted"
	}
	return v
}

func indent(s string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n      ")
}

var verified = regexp.MustCompile(`(?m)^Signature verification: (\w+)`)

// osslsigncode verifies with the embedded roots. It fails a file with any signature that does not verify, and where it
// reads a later signature as a failure of its own; accepted is a file of which every signature verifies.
func (s *session) osslsigncode(ctx context.Context, f *subject) verdict {
	return s.osslsigncodeArgs(ctx, f)
}

func (s *session) osslsigncodeArgs(ctx context.Context, f *subject, more ...string) verdict {
	file, err := s.file(f)
	if err != nil {
		return verdict{detail: err.Error()}
	}
	args := append([]string{"verify", "-ignore-cdp", "-ignore-crl", "-CAfile", filepath.Join(s.roots, "codesigning.pem"),
		"-TSA-CAfile", filepath.Join(s.roots, "timestamping.pem"), "-in", file}, more...)
	out, success, ok := tool(ctx, "osslsigncode", args...)
	if !ok {
		return verdict{}
	}
	all := verified.FindAllStringSubmatch(out, -1)
	good := len(all) > 0
	for _, m := range all {
		good = good && m[1] == "ok"
	}
	return said("osslsigncode", success || good, out)
}

// sbverify verifies a program for UEFI under each authority.
func (s *session) sbverify(ctx context.Context, f *subject) verdict {
	return s.anyKey(f, func(k key) (string, bool, bool) { return tool(ctx, "sbverify", "--cert", k.path, f.path) }, "sbverify")
}

// anyKey asks a tool about each key by itself, as anchors are.
func (s *session) anyKey(f *subject, ask func(key) (out string, success, ok bool), name string) verdict {
	var all strings.Builder
	for _, k := range f.anchor {
		out, success, ok := ask(k)
		if !ok {
			return verdict{}
		}
		fmt.Fprintf(&all, "with %s: %s\n", k.file, out)
		if success {
			return said(name, true, all.String())
		}
	}
	return said(name, false, all.String())
}

// minisign verifies the file with the signature beside it: minisign's own, or signify's by its tool.
func (s *session) minisign(ctx context.Context, f *subject) verdict {
	if sig := s.store.find(f.file+".minisig", ""); sig != nil {
		return s.anyKey(f, func(k key) (string, bool, bool) {
			return tool(ctx, "minisign", "-V", "-p", k.path, "-m", f.path, "-x", sig.path)
		}, "minisign")
	}
	return s.signify(ctx, f)
}

// signify verifies the file with the signature beside it, or with the signed list that has its digest.
func (s *session) signify(ctx context.Context, f *subject) verdict {
	for _, end := range []string{".signify", ".sig"} {
		if sig := s.store.find(f.file+end, ""); sig != nil {
			return s.anyKey(f, func(k key) (string, bool, bool) {
				return tool(ctx, "signify-openbsd", "-V", "-p", k.path, "-m", f.path, "-x", sig.path)
			}, "signify")
		}
	}
	list := s.store.find(filepath.ToSlash(filepath.Join(filepath.Dir(f.file), "SHA256.sig")), "")
	if list == nil {
		return verdict{}
	}
	return s.anyKey(f, func(k key) (string, bool, bool) {
		p, err := exec.LookPath("signify-openbsd")
		if err != nil {
			return "", false, false
		}
		key, _ := filepath.Abs(k.path)
		sig, _ := filepath.Abs(list.path)
		cmd := exec.CommandContext(ctx, p, "-C", "-p", key, "-x", sig, filepath.Base(f.path))
		cmd.Dir = filepath.Dir(f.path)
		out, err := cmd.CombinedOutput()
		return string(out), err == nil, true
	}, "signify")
}

// gpgv verifies the detached signature beside a file. An expired key, which gpgv lets pass, is refused.
func (s *session) gpgv(ctx context.Context, f *subject) verdict {
	for _, end := range []string{".asc", ".sig", ".gpg"} {
		if sig := s.store.find(f.file+end, ""); sig != nil {
			return s.gpgvWith(ctx, f, sig)
		}
	}
	return verdict{}
}

func (s *session) gpgvWith(ctx context.Context, f *subject, sig *sample) verdict {
	return s.anyKey(f, func(k key) (string, bool, bool) {
		ring, err := s.write("ring.gpg", dearmour(k.data))
		if err != nil {
			return err.Error(), false, true
		}
		out, success, ok := tool(ctx, "gpgv", "--status-fd", "1", "--keyring", ring, sig.path, f.path)
		return out, success && strings.Contains(out, "GOODSIG"), ok
	}, "gpgv")
}

// database is rpm's, with one key.
type database struct {
	dir     string
	refused string // what rpm said when it did not take the key
}

// rpmkeys verifies a package where everything has to be verified; the metadata of a repository by gpgv.
func (s *session) rpmkeys(ctx context.Context, f *subject) verdict {
	if strings.Contains(f.file, "/repodata/") {
		return s.repodata(ctx, f)
	}
	if _, err := exec.LookPath("rpmkeys"); err != nil {
		return verdict{}
	}
	return s.anyKey(f, func(k key) (string, bool, bool) {
		db, err := s.database(ctx, k)
		if err != nil {
			return err.Error(), false, true
		}
		out, success, ok := tool(ctx, "rpmkeys", "--dbpath", db.dir, "--define", "_pkgverify_level all", "-Kv", f.path)
		return db.refused + out, success, ok
	}, "rpmkeys")
}

func (s *session) database(ctx context.Context, k key) (*database, error) {
	if db := s.tools.databases[k.file]; db != nil {
		return db, nil
	}
	dir, err := os.MkdirTemp(s.tmp, "rpmdb")
	if err != nil {
		return nil, err
	}
	db := &database{dir: dir}
	if out, success, _ := tool(ctx, "rpmkeys", "--dbpath", dir, "--import", k.path); !success {
		db.refused = "the key is not taken: " + out
	}
	s.tools.databases[k.file] = db
	return db, nil
}

// repodata verifies repomd.xml by gpgv, and looks other metadata up in it.
func (s *session) repodata(ctx context.Context, f *subject) verdict {
	dir := filepath.ToSlash(filepath.Dir(f.file))
	index, sig := s.store.find(dir+"/repomd.xml", ""), s.store.find(dir+"/repomd.xml.asc", "")
	if index == nil || sig == nil {
		return verdict{text: "none: repomd.xml is not there", detail: "repomd.xml or its signature is not there"}
	}
	top := *f
	top.sample = index
	v := s.gpgvWith(ctx, &top, sig)
	if f.file != index.file && v.accepted {
		listed := bytes.Contains(index.data, []byte(digest(f.data)))
		return said("gpgv", listed, v.detail)
	}
	return v
}
