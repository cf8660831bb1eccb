package main

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"io"
	"maps"
	"path"
	"strings"
)

// region is a part of a file of which a chapter of verify/FORMATS.md says that the signature does not cover it.
type region struct {
	from, to int // of the file's bytes; to is the one after the last
	why      string
	loud     bool // a change must show in the findings
}

// regionsOf returns what nothing covers, told by content and name as the formats are.
func regionsOf(file string, data []byte) []region {
	switch {
	case bytes.HasPrefix(data, []byte("MZ")):
		return peRegions(data)
	case bytes.HasPrefix(data, []byte(cfbMagic)):
		return msiRegions(data)
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return zipRegions(file, data)
	case bytes.HasPrefix(data, []byte("\xed\xab\xee\xdb")):
		return rpmRegions(data)
	case bytes.HasPrefix(data, []byte("{")):
		return jsonRegions(data)
	case strings.HasSuffix(file, ".cat"):
		return cmsRegions(data, []extent{{0, 0, len(data)}})
	case strings.HasSuffix(file, ".minisig"), bytes.HasPrefix(data, []byte("untrusted comment: ")):
		return commentRegions(data)
	case strings.HasSuffix(file, ".asc"), strings.HasSuffix(file, ".sig"), strings.HasSuffix(file, ".gpg"):
		return pgpRegions(data)
	}
	return scriptRegions(data)
}

// extent is a piece of a stream that lies in one piece in the file.
type extent struct{ at, offset, length int } // at: in the stream; offset: in the file

// place turns regions of a stream into regions of the file.
func place(in []region, where []extent) (out []region) {
	for _, r := range in {
		for _, e := range where {
			from, to := max(r.from, e.at), min(r.to, e.at+e.length)
			if from < to {
				out = append(out, region{e.offset + from - e.at, e.offset + to - e.at, r.why, r.loud})
			}
		}
	}
	return out
}

// peRegions: chapter "authenticode: Windows programs (PE)", What is signed.
func peRegions(data []byte) (out []region) {
	le := binary.LittleEndian
	header := int(le.Uint32(data[0x3c:]))
	optional := header + 24
	out = append(out, region{optional + 64, optional + 68, "PE: the checksum field", false})
	directory := optional + 96
	if le.Uint16(data[optional:]) == 0x20b {
		directory = optional + 112
	}
	table, size := int(le.Uint32(data[directory+32:])), int(le.Uint32(data[directory+36:]))
	for at := table; at+8 < table+size && table+size <= len(data); {
		length := int(le.Uint32(data[at:]))
		if length < 8 || at+length > len(data) {
			break
		}
		out = append(out, cmsRegions(data[at+8:at+length], []extent{{0, at + 8, length - 8}})...)
		at += (length + 7) &^ 7
	}
	return out
}

// zipRegions: chapters nuget, appx and vsix. NuGet's and Windows' digests leave out the signature's own records; the
// signature archive of an extension is a container only.
func zipRegions(file string, data []byte) (out []region) {
	var only string
	switch strings.ToLower(path.Ext(file)) {
	case ".nupkg":
		only = ".signature.p7s"
	case ".msix", ".appx", ".msixbundle", ".appxbundle":
		only = "AppxSignature.p7x"
	}
	le := binary.LittleEndian
	fields := func(at int, why string, pairs ...int) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, region{at + pairs[i], at + pairs[i+1], why, false})
		}
	}
	each(data, "PK\x03\x04", 30, func(at int) {
		name := string(data[at+30 : min(len(data), at+30+int(le.Uint16(data[at+26:])))])
		switch {
		case only != "" && name == only:
			fields(at, "zip: versions and dates in the signature's own record", 4, 6, 10, 14)
		case only == "":
			fields(at, "zip: versions, dates, the flag that sizes follow", 4, 8, 10, 14)
		}
		if strings.HasSuffix(name, ".p7s") && le.Uint16(data[at+8:]) == 0 {
			start := at + 30 + int(le.Uint16(data[at+26:])) + int(le.Uint16(data[at+28:]))
			if end := start + int(le.Uint32(data[at+18:])); end <= len(data) {
				out = append(out, cmsRegions(data[start:end], []extent{{0, start, end - start}})...)
			}
		}
	})
	each(data, "PK\x01\x02", 46, func(at int) {
		name := string(data[at+46 : min(len(data), at+46+int(le.Uint16(data[at+28:])))])
		switch {
		case only != "" && name == only:
			fields(at, "zip: versions, dates and attributes in the signature's own record", 4, 8, 12, 16, 36, 42)
		case only == "":
			fields(at, "zip: versions, dates and attributes", 4, 10, 12, 16, 34, 42)
		}
	})
	return out
}

// each calls f where a record with a mark and at least length bytes begins.
func each(data []byte, mark string, length int, f func(at int)) {
	for at := 0; ; at += len(mark) {
		i := bytes.Index(data[at:], []byte(mark))
		if i < 0 || at+i+length > len(data) {
			return
		}
		at += i
		f(at)
	}
}

// rpmRegions: chapter rpm. The lead and the signature header are not signed.
func rpmRegions(data []byte) []region {
	be := binary.BigEndian
	entries, store := int(be.Uint32(data[96+8:])), int(be.Uint32(data[96+12:]))
	index := 96 + 16
	begin := index + 16*entries
	end := (begin + store + 7) &^ 7
	if end > len(data) {
		return nil
	}
	out := []region{{5, 78, "rpm: the lead", false}, {80, 96, "rpm: the lead", false},
		{index + 16, begin, "rpm: the index of the signature header", false}}
	for i := range entries {
		e := data[index+16*i:]
		at := begin + int(be.Uint32(e[8:]))
		switch tag := be.Uint32(e); tag {
		case 267, 268, 1002, 1005: // signatures
			if size := int(be.Uint32(e[12:])); at+size <= len(data) {
				out = append(out, place(packetRegions(data[at:at+size]), []extent{{0, at, size}})...)
				out = append(out, region{at, at + size, "rpm: one of several signatures, which does not count then", true})
			}
		case 278: // OpenPGP signatures of any number, in base64
			to := at
			for range int(min(be.Uint32(e[12:]), 64)) {
				to += bytes.IndexByte(data[to:], 0) + 1
			}
			if be.Uint32(e[12:]) > 1 {
				out = append(out, region{at, to, "rpm: one of several OpenPGP signatures of the header, another one vouches", false})
			}
		case 1007: // the uncompressed size
			out = append(out, region{at, at + 4, "rpm: the payload's uncompressed size", false})
		case 1008: // reserved space
			out = append(out, region{at, at + int(be.Uint32(e[12:])), "rpm: reserved space of the signature header", false})
		}
	}
	return append(out, region{begin + store, end, "rpm: the padding of the signature header", false})
}

// commentRegions: chapter minisign and signify.
func commentRegions(data []byte) []region {
	const mark = "untrusted comment: "
	end := bytes.IndexByte(data, '\n')
	if !bytes.HasPrefix(data, []byte(mark)) || end < 0 {
		return nil
	}
	return []region{{len(mark), end, "minisign, signify: the untrusted comment", false}}
}

// sameContent reports whether two zip files hold the same files: chapter vsix has digests of contents only.
func sameContent(a, b []byte) bool {
	one, err := contentOf(a)
	two, errTwo := contentOf(b)
	return err == nil && errTwo == nil && maps.Equal(one, two)
}

func contentOf(data []byte) (map[string]string, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(io.LimitReader(r, 256<<20))
		if err != nil {
			return nil, err
		}
		out[f.Name] = digest(content)
	}
	return out, nil
}
