package formats

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/sallyport-project/sallyport/verify/msi/msitest"
	"github.com/sallyport-project/sallyport/verify/rpm/rpmtest"
	"github.com/sallyport-project/sallyport/verify/unpack/cabtest"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// full repeats b up to hostileSize.
func full(b []byte) []byte { return bytes.Repeat(b, max(1, hostileSize/max(1, len(b)))) }

func text(s string) func() []byte { return func() []byte { return full([]byte(s)) } }

func zeros(n int) []byte { return make([]byte, n) }

func packed(b []byte, open func(io.Writer) io.WriteCloser) []byte {
	var out bytes.Buffer
	w := open(&out)
	must(w.Write(b))
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func gz(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser { return must(gzip.NewWriterLevel(w, gzip.BestCompression)) })
}
func xzip(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser { return must(xz.NewWriter(w)) })
}
func zst(b []byte) []byte {
	return packed(b, func(w io.Writer) io.WriteCloser { return must(zstd.NewWriter(w)) })
}

// zipOf puts content into a zip file under several names.
func zipOf(content []byte, names ...string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	w.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	for _, name := range names {
		method := zip.Deflate
		if len(content) < 1024 {
			method = zip.Store
		}
		must(must(w.CreateHeader(&zip.FileHeader{Name: name, Method: method})).Write(content))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func numbered(n int, format string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf(format, i)
	}
	return out
}

func nested(layers int, b []byte, wrap func([]byte) []byte) []byte {
	for range layers {
		b = wrap(b)
	}
	return b
}

// overlapping is a zip file whose directory lists one entry many times.
func overlapping() []byte {
	one := zipOf(zeros(4<<20), "a.exe")
	end := one[len(one)-22:]
	at := binary.LittleEndian.Uint32(end[16:])
	entry := one[at : len(one)-22]
	n := 60000
	out := append(bytes.Clone(one[:at]), bytes.Repeat(entry, n)...)
	end = bytes.Clone(end)
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(n*len(entry)))
	return append(out, end...)
}

func tarOf(n int, header func(i int) *tar.Header) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := range n {
		h := header(i)
		if err := w.WriteHeader(h); err != nil {
			panic(err)
		}
		must(w.Write(zeros(int(h.Size))))
	}
	return out.Bytes()
}

func tiny(i int) *tar.Header {
	return &tar.Header{Name: fmt.Sprint(i, ".sh"), Typeflag: tar.TypeReg, Mode: 0o755}
}

func manyCabFolders() []byte {
	var c cabtest.Cabinet
	for range 65000 {
		c.Folders = append(c.Folders, cabtest.Folder{Method: cabtest.MSZIP, Files: []cabtest.File{{Name: "a.exe", Data: []byte("MZ")}}})
	}
	return cabtest.Build(c)
}

func cabOfOne(m cabtest.Method, n int) func() []byte {
	return func() []byte {
		return cabtest.Build(cabtest.Cabinet{Folders: []cabtest.Folder{{Method: m, Window: 21, Files: []cabtest.File{{Name: "a.exe", Data: zeros(n)}}}}})
	}
}

func manyStreams() []byte {
	var p msitest.Package
	for i := range 60000 {
		p.More = append(p.More, msitest.Stream(fmt.Sprint("s", i), []byte("MZ")))
	}
	return p.Build()
}

func deepStorages() []byte {
	n := &msitest.Node{Name: "x", Storage: true}
	for range 20000 {
		n = &msitest.Node{Name: "x", Storage: true, Children: []*msitest.Node{n}}
	}
	return msitest.Package{More: []*msitest.Node{n}}.Build()
}

func manyRows() []byte {
	p := msitest.Package{Cabinet: cabOfOne(cabtest.Stored, 3)()}
	for i := range 15000 {
		p.Files = append(p.Files, msitest.File{Key: fmt.Sprint("f", i), Path: fmt.Sprintf("d/%s%d.exe", strings.Repeat("n", 60), i), Size: 1})
	}
	return p.Build()
}

func manyRPMFiles(how string) func() []byte {
	return func() []byte {
		p := rpmtest.Package{Compressor: how}
		for i := range 40000 {
			p.Files = append(p.Files, rpmtest.File{Path: fmt.Sprintf("/d/%d", i), Content: "#!/bin/sh\n"})
		}
		return must(p.Build())
	}
}

func debOf(member string, content []byte) []byte {
	out := []byte("!<arch>\n")
	for _, m := range []struct {
		name string
		b    []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", gz(tarOf(1, tiny))}, {member, content}} {
		out = append(out, fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", m.name, 0, 0, 0, "100644", len(m.b))...)
		out = append(out, m.b...)
		if len(out)%2 == 1 {
			out = append(out, '\n')
		}
	}
	return out
}

func asarOf(json string) []byte {
	le := binary.LittleEndian
	padded := (len(json) + 3) &^ 3
	out := le.AppendUint32(nil, 4)
	out = le.AppendUint32(out, uint32(8+padded))
	out = le.AppendUint32(out, uint32(4+padded))
	out = le.AppendUint32(out, uint32(len(json)))
	return append(append(out, json...), zeros(padded-len(json)+16)...)
}

func manyASARFiles() []byte {
	var b strings.Builder
	b.WriteString(`{"files":{`)
	for i := range 190_000 {
		fmt.Fprintf(&b, `"%d.sh":{"size":1,"offset":"%d"},`, i, i%8)
	}
	b.WriteString(`"z":{"size":1,"offset":"0"}}}`)
	return asarOf(b.String())
}

func hostileArchives() []hostile {
	bomb := func() []byte { return zeros(512 << 20) }
	return []hostile{
		{name: "a.zip", about: "100,000 entries", make: func() []byte { return zipOf([]byte("#!/bin/sh\n"), numbered(100_000, "%d.sh")...) }},
		{name: "b.zip", about: "entries of one name", make: func() []byte { return zipOf([]byte("MZ"), numbered(60_000, "a.exe%.0d")...) }},
		{name: "c.zip", about: "zeros", make: func() []byte { return zipOf(bomb(), numbered(4, "%d.exe")...) }},
		{name: "d.zip", about: "nested bombs", make: func() []byte {
			return nested(4, zipOf(zeros(64<<20), "a.exe"), func(b []byte) []byte { return zipOf(b, numbered(16, "%d.zip")...) })
		}},
		{name: "e.zip", about: "a thousand layers", make: func() []byte {
			return nested(1000, []byte("x"), func(b []byte) []byte { return zipOf(b, "a.zip") })
		}},
		{name: "f.zip", about: "one entry listed often", make: overlapping},
		{name: "g.zip", about: "end records", make: text("PK\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x2e\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
		{name: "h.nupkg", about: "100,000 entries", make: func() []byte {
			return zipOf([]byte("x"), append(numbered(100_000, "lib/%d.dll"), "a.nuspec", "[Content_Types].xml")...)
		}},
		{name: "h.msix", about: "100,000 entries", make: func() []byte {
			return zipOf([]byte("x"), append(numbered(100_000, "%d.dll"), "AppxManifest.xml", "AppxBlockMap.xml", "AppxSignature.p7x")...)
		}},
		{name: "h.vsix", about: "100,000 entries", make: func() []byte {
			return zipOf([]byte("x"), append(numbered(100_000, "extension/%d.js"), "extension.vsixmanifest", "[Content_Types].xml")...)
		}},
		{name: "a.gz", about: "zeros", make: func() []byte { return full(gz(zeros(32 << 20))) }},
		{name: "b.gz", about: "empty members", make: func() []byte { return full(gz(nil)) }},
		{name: "c.gz", about: "a thousand layers", make: func() []byte { return nested(1000, []byte("x"), gz) }},
		{name: "a.xz", about: "zeros", make: func() []byte { return full(xzip(zeros(32 << 20))) }},
		{name: "b.xz", about: "empty streams", make: func() []byte { return full(xzip(nil)) }},
		{name: "a.zst", about: "zeros", make: func() []byte { return full(zst(zeros(32 << 20))) }},
		{name: "b.zst", about: "empty frames", make: func() []byte { return full(zst(nil)) }},
		{name: "a.tar", about: "empty entries", make: func() []byte { return tarOf(20_000, tiny) }},
		{name: "a.tar.gz", about: "500,000 entries", make: func() []byte { return gz(tarOf(500_000, tiny)) }},
		{name: "b.tar", about: "a PAX header of 1 MB, ten times", make: func() []byte {
			return tarOf(10, func(i int) *tar.Header {
				h := tiny(i)
				h.PAXRecords = map[string]string{"A.b": strings.Repeat("x", 1000_000)}
				return h
			})
		}},
		{name: "c.tar", about: "long links", make: func() []byte {
			return tarOf(10, func(i int) *tar.Header {
				return &tar.Header{Name: strings.Repeat("n/", 200_000), Linkname: strings.Repeat("../", 200_000), Typeflag: tar.TypeSymlink, Format: tar.FormatGNU}
			})
		}},
		{name: "a.cab", about: "65,000 folders", make: manyCabFolders},
		{name: "b.cab", about: "MSZIP of zeros", make: cabOfOne(cabtest.MSZIP, 1<<30)},
		{name: "c.cab", about: "LZX of zeros", make: cabOfOne(cabtest.LZX, 64<<20)},
		{name: "a.msi", about: "60,000 streams", make: manyStreams},
		{name: "b.msi", about: "20,000 storages deep", make: deepStorages},
		{name: "c.msi", about: "15,000 rows", make: manyRows},
		{name: "d.msi", about: "a FAT of zeros", make: func() []byte { return append(manyRows()[:512], zeros(hostileSize)...) }},
		{name: "a.deb", about: "a bomb", make: func() []byte { return debOf("data.tar.xz", full(xzip(zeros(32<<20)))) }},
		{name: "b.deb", about: "500,000 entries", make: func() []byte { return debOf("data.tar.gz", gz(tarOf(500_000, tiny))) }},
		{name: "a.a", about: "members", make: func() []byte {
			return append([]byte("!<arch>\n"), full([]byte(fmt.Sprintf("%-16s%-12d%-6d%-6d%-8s%-10d`\n", "a.sh/", 0, 0, 0, "100644", 0)))...)
		}},
		{name: "a.cpio", about: "members", make: func() []byte {
			head := "070701" + strings.Repeat("00000001", 4) + "00000001" + strings.Repeat("00000000", 6) + "00000002" + "00000000"
			return full([]byte(head + "a\x00"))
		}},
		{name: "a.rpm", about: "40,000 files", make: manyRPMFiles("")},
		{name: "b.rpm", about: "40,000 files, xz", make: manyRPMFiles("xz")},
		{name: "c.rpm", about: "a bomb", make: func() []byte {
			return must(rpmtest.Package{Compressor: "zstd", Files: []rpmtest.File{{Path: "/a", Content: string(bomb())}}}.Build())
		}},
		{name: "a.asar", about: "190,000 files", make: manyASARFiles},
		{name: "b.asar", about: "deep JSON", make: func() []byte { return asarOf(`{"files":` + strings.Repeat(`{"a":`, hostileSize/5) + "1") }},
		{name: "a.7z", about: "a header of zeros", make: func() []byte {
			head := append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), zeros(24)...)
			binary.LittleEndian.PutUint64(head[20:], hostileSize)
			return append(head, zeros(hostileSize)...)
		}},
	}
}
