package unpack

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/sallyport-project/sallyport/verify"
)

// rawTar is a header and its content as they are wanted, right or wrong; magic and prefix fill these fields.
type rawTar struct {
	name, link, content string
	typeflag            byte
	size                int // -1: that of the content
	magic, prefix       string
}

func (r rawTar) bytes() []byte {
	var h [tarBlock]byte
	size := r.size
	if size < 0 {
		size = len(r.content)
	}
	if r.magic == "" {
		r.magic = "ustar\x0000"
	}
	for at, s := range map[int]string{0: r.name, 100: "0000644", 108: "0000000", 116: "0000000", 124: fmt.Sprintf("%011o", size), 136: "00000000000",
		148: "        ", 157: r.link, 257: r.magic, 345: r.prefix} {
		copy(h[at:], s)
	}
	h[156] = r.typeflag
	sum := 0
	for _, c := range h {
		sum += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", sum))
	return append(h[:], append([]byte(r.content), make([]byte, -len(r.content)&(tarBlock-1))...)...)
}

func rawTars(list ...rawTar) []byte {
	var b []byte
	for _, r := range list {
		b = append(b, r.bytes()...)
	}
	return append(b, make([]byte, 2*tarBlock)...)
}

func paxRecord(key, value string) string {
	n := len(key) + len(value) + 3
	for len(fmt.Sprint(n))+len(key)+len(value)+3 != n {
		n = len(fmt.Sprint(n)) + len(key) + len(value) + 3
	}
	return fmt.Sprintf("%d %s=%s\n", n, key, value)
}

// forkedTars are archives in which some programs find readme.txt and others hidden.sh.
func forkedTars() map[string][]byte {
	hidden := string(rawTar{name: "hidden.sh", typeflag: '0', size: -1, content: "#!/bin/sh\n"}.bytes())
	cover := rawTar{name: "readme.txt", typeflag: '0', size: -1, content: hidden}
	script := rawTar{name: "readme.txt", typeflag: '0', size: -1, content: "#!/bin/sh\n"}
	pax := func(flag byte, key, value string) rawTar {
		return rawTar{name: "pax", typeflag: flag, size: -1, content: paxRecord(key, value)}
	}
	long := func(name string) rawTar {
		return rawTar{name: "././@LongLink", typeflag: 'L', size: -1, content: name + "\x00", magic: "ustar  \x00"}
	}
	sized := func(flag byte, name string) []byte {
		return rawTars(rawTar{name: name, link: "x", typeflag: flag, size: tarBlock}, cover)
	}
	v7 := rawTars(rawTar{name: "folder/", size: tarBlock, magic: "\x00"}, cover)
	return map[string][]byte{
		"symbolic link with a size":         sized('2', "link"),
		"character device with a size":      sized('3', "device"),
		"block device with a size":          sized('4', "device"),
		"pipe with a size":                  sized('6', "pipe"),
		"hard link with a size":             sized('1', "link"),
		"name of a file that is not sparse": rawTars(pax('x', "GNU.sparse.name", "hidden.sh"), script),
		"two fields of a name in V7":        rawTars(rawTar{name: "readme.txt", size: -1, content: "x", magic: "\x00", prefix: "hidden/folder"}),
		"file called as a folder":           sized('0', "folder/"),
		"folder of V7 with a size":          v7,
		"name for all":                      rawTars(pax('g', "path", "hidden.sh"), script),
		"link's target for all":             rawTars(pax('g', "linkpath", "/etc/passwd"), rawTar{name: "link", typeflag: '2', link: "x"}),
		"size for all":                      rawTars(pax('g', "size", "512"), rawTar{name: "empty", typeflag: '0'}, cover),
		"two pax headers":                   rawTars(pax('x', "path", "hidden.sh"), pax('x', "mtime", "1"), script),
		"GNU's name, then POSIX's":          rawTars(long("readme.txt"), pax('x', "path", "hidden.sh"), script),
		"POSIX's name, then GNU's":          rawTars(pax('x', "path", "readme.txt"), long("hidden.sh"), script),
		"two long names":                    rawTars(long("readme.txt"), long("hidden.sh"), script),
		"two names in a pax header":         rawTars(rawTar{name: "pax", typeflag: 'x', size: -1, content: paxRecord("path", "a") + paxRecord("path", "b")}, script),
		"header for all after one for one":  rawTars(pax('x', "path", "hidden.sh"), pax('g', "comment", "x"), script),
		"another size by pax":               rawTars(pax('x', "size", fmt.Sprint(len(hidden))), rawTar{name: "readme.txt", typeflag: '0', content: hidden}),
		"prefix in a header of GNU's":       rawTars(rawTar{name: "readme.txt", typeflag: '0', size: -1, content: "x", magic: "ustar  \x00", prefix: "hidden/folder"}),
		"hard link out of the folder":       rawTars(rawTar{name: "a/b", link: "../etc/passwd", typeflag: '1'}),
		"member behind a zero block":        append(append(rawTars(script)[:3*tarBlock:3*tarBlock], hidden...), make([]byte, 2*tarBlock)...),
	}
}

func TestTarsThatProgramsReadDifferentlyAreInvalid(t *testing.T) {
	for name, data := range forkedTars() {
		for _, packed := range []bool{false, true} {
			file := "x.tar"
			if packed {
				var b bytes.Buffer
				w := gzip.NewWriter(&b)
				w.Write(data)
				w.Close()
				file, data = "x.tgz", b.Bytes()
			}
			_, method, codes := openUnix(t, file, data)
			if method != "tar" || codes != "tar/malformed" && codes != "tar/traversal" && codes != "tar/trailing-data" {
				t.Errorf("%s: %s: %q", name, method, codes)
			}
		}
	}
}

// The differences are real: GNU tar finds in some of them what archive/tar does not.
func TestTarsThatGNUTarReadsDifferently(t *testing.T) {
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is not installed: comparing with it is left out; .ci/test installs it")
	}
	forked := forkedTars()
	for _, name := range []string{"symbolic link with a size", "pipe with a size", "folder of V7 with a size", "name for all", "size for all", "GNU's name, then POSIX's"} {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, forked[name], 0o600); err != nil {
			t.Fatal(err)
		}
		if out, _ := exec.Command("tar", "-tf", file).Output(); !strings.Contains(string(out), "hidden.sh") {
			t.Errorf("%s: GNU tar lists %q", name, out)
		}
	}
}

// Of archives made of headers at random, those that pass have no member by GNU tar that they have not here.
func TestRandomTarsThatPassAreTheSameToGNUTar(t *testing.T) {
	if out, err := exec.Command("tar", "--version").Output(); err != nil || !bytes.Contains(out, []byte("GNU tar")) {
		t.Skip("GNU tar is not installed: comparing with it is left out; .ci/test installs it")
	}
	r := rand.New(rand.NewPCG(1, 2))
	file, passed := filepath.Join(t.TempDir(), "x.tar"), 0
	for range 300 {
		var list []rawTar
		for range 1 + r.IntN(4) {
			list = append(list, randomTar(r, 0))
		}
		data := rawTars(list...)
		l, _, codes := openUnix(t, "x.tar", data)
		if codes != "" {
			continue
		}
		passed++
		ours := map[string]bool{}
		for _, line := range l.lines {
			name, _, _ := strings.Cut(line, " ")
			ours[strings.TrimSuffix(name, "/")] = true
		}
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		out, _ := exec.Command("tar", "-tf", file).Output()
		for name := range strings.Lines(string(out)) {
			if name = strings.TrimSuffix(strings.TrimSuffix(name, "\n"), "/"); !ours[name] {
				t.Errorf("GNU tar lists %q besides %v: %v", name, l.lines, list)
			}
		}
	}
	if passed < 50 {
		t.Errorf("%d archives passed", passed)
	}
}

// randomTar is a member or a header about others, with more of them as its content.
func randomTar(r *rand.Rand, depth int) rawTar {
	pick := func(list ...string) string { return list[r.IntN(len(list))] }
	out := rawTar{name: pick("a.txt", "b.sh", "d/", "d/e.sh", "./q.sh"), size: -1, magic: pick("", "", "ustar  \x00", "\x00"), typeflag: pick("0", "0", "\x00", "1", "2", "3", "5", "6", "7", "x", "x", "g", "L", "K")[0]}
	if r.IntN(10) == 0 {
		out.prefix = "pre/fix"
	}
	switch out.typeflag {
	case 'x', 'g':
		out.content = paxRecord(pick("path", "size", "linkpath", "mtime", "GNU.sparse.name", "GNU.sparse.realsize"), pick("hidden.sh", "512", "0", "1"))
		return out
	case 'L', 'K':
		out.content = "long.sh\x00"
		return out
	case '1', '2':
		out.link = "a.txt"
	}
	if depth < 2 && r.IntN(2) == 0 {
		out.content = string(randomTar(r, depth+1).bytes())
	} else if r.IntN(4) == 0 {
		out.size = tarBlock
	}
	return out
}

// What tar programs write passes: see also the archives of the reference tools in the tests of Tar.
func TestTarsThatAllReadTheSamePass(t *testing.T) {
	file := rawTar{name: "readme.txt", typeflag: '0', size: -1, content: "x"}
	pax := func(flag byte, records string) rawTar {
		return rawTar{name: "pax", typeflag: flag, size: -1, content: records}
	}
	for name, data := range map[string][]byte{
		"comment for all, as git writes it": rawTars(pax('g', paxRecord("comment", "0123")), file),
		"long name and long target":         rawTars(rawTar{name: "L", typeflag: 'L', size: -1, content: "a\x00"}, rawTar{name: "K", typeflag: 'K', size: -1, content: "b\x00"}, rawTar{name: "x", link: "y", typeflag: '2'}),
		"pax name, same size":               rawTars(pax('x', paxRecord("path", "long/readme.txt")+paxRecord("size", "1")), file),
		"folder with a size":                rawTars(rawTar{name: "folder/", typeflag: '5', size: 4096}, file),
		"name in two fields":                rawTars(rawTar{name: "readme.txt", prefix: "folder", typeflag: '0', size: -1, content: "x"}),
		"GNU's times of access":             rawTars(rawTar{name: "readme.txt", typeflag: '0', size: -1, content: "x", magic: "ustar  \x00", prefix: "14000000000\x0014000000000\x00"}),
	} {
		if l, method, codes := openUnix(t, "x.tar", data); method != "tar" || codes != "" || len(l.lines) == 0 {
			t.Errorf("%s: %s: %q", name, method, codes)
		}
	}
}

// An archive of Unix V7 has no magic, and need not be called one.
func TestTarsOfV7AreFoundByTheirChecksum(t *testing.T) {
	data := rawTars(rawTar{name: "a.sh", size: -1, content: "#!/bin/sh\n", magic: "\x00"})
	copy(data[154:156], "\x00q") // GNU tar reads up to the NUL
	for _, name := range []string{"update", "update.bin"} {
		if _, method, _ := openUnix(t, name, data); method != "tar" {
			t.Errorf("%s: taken for %q", name, method)
		}
	}
	a := unixArtifact("update.gz", unixPacked(t, data, "gz"))
	if !NewTar().Match(a) {
		t.Error("compressed: not taken for tar")
	}
	if a := (&verify.Artifact{Size: 3, Content: strings.NewReader("abc")}); NewTar().Match(a) {
		t.Error("three bytes are taken for tar")
	}
}
