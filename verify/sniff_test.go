package verify

import (
	"strings"
	"testing"
)

func TestSniff(t *testing.T) {
	tar := strings.Repeat("\x00", 257) + "ustar\x0000"
	for _, c := range []struct {
		head, name string
		want       Format
	}{
		{"MZ\x90\x00", "logo.png", "pe"},
		{"MZ\x90\x00", "setup.exe", "pe"},
		{"!<arch>\ndebian-binary   ", "x", "deb"},
		{"PK\x03\x04....", "app.nupkg", "nupkg"},
		{"PK\x03\x04....", "app.exe", "zip"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x02", "tool", "macho"},
		{"\xca\xfe\xba\xbe\x00\x00\x00\x41", "A", "class"},
		{"\n#!/bin/sh\n", "install", "script"},
		{"\xef\xbb\xbf#!/bin/sh\n", "install", "script"},
		{"<!DOCTYPE html><title>", "setup.exe", ""},
		{"<!DOCTYPE html><script>", "evil.hta", "script"},
		{"Write-Host hi", "install.PS1", "script"},
		{`{"version": 1}`, "latest.json", ""},
		{"body {}", "site.css", ""},
		{tar, "x", "tar"},
		{tar, "x.bat", "script"}, // cmd.exe goes on to the next line, whatever it makes of this one
		{"PK\x03\x04....", "x.hta", "script"},
		{"MZ\x90\x00", "x.bat", "pe"},
		{"\x04\x00\x00\x00\x20\x00\x00\x00\x1c\x00\x00\x00\x17\x00\x00\x00{", "x", "asar"},
		{"\x04\x00\x00\x00\x20\x00\x00\x00\x1c\x00\x00\x00\x1d\x00\x00\x00{", "x", ""},
		{"070701" + strings.Repeat("0A", 52), "x", "cpio"},
		{"070707" + strings.Repeat("07", 35), "x", "cpio"},
		{"070707" + strings.Repeat("08", 35), "x", ""},
		{"\xca\xfe\xba\xbf\x00\x00\x00\x02", "tool", "macho"},
		{"MSCF\x01\x00\x00\x00", "data", "cab"},
		{"<Configuration>", "a.ps1xml", "script"},
		{"", "", ""},
	} {
		if got := Sniff([]byte(c.head), c.name); got != c.want {
			t.Errorf("Sniff(%.20q, %q) = %q, want %q", c.head, c.name, got, c.want)
		}
	}
}

// Windows runs a file by its name without what stands after the ending.
func TestSniffSeesNamesAsWindowsDoes(t *testing.T) {
	for _, name := range []string{"a.bat.", "a.ps1 ", "a.ps1 . .", "a.vbs::$DATA", "a.vbs:x.bin", "a.txt:b.vbs", "a.ps1.:x", `dir.d\a.cmd.`, "dir/a.cmd. "} {
		if got := Sniff([]byte("text"), name); got != "script" {
			t.Errorf("Sniff(%q) = %q, want script", name, got)
		}
	}
	for _, name := range []string{"a.bat.txt", "a.ps1 /readme", `a.ps1\readme`, "a", ".", ":", ""} {
		if got := Sniff([]byte("text"), name); got != "" {
			t.Errorf("Sniff(%q) = %q, want nothing", name, got)
		}
	}
}

// Whatever is recognised whole must not be let go while it is still growing.
func TestUndecidedHoldsBackEveryPrefixOfAMagic(t *testing.T) {
	for _, m := range magics {
		if m.offset > 0 {
			continue
		}
		for n := range len(m.magic) {
			if head := []byte(m.magic[:n]); sniffContent(head) == "" && !Undecided(head) {
				t.Errorf("%q may become %s, but Undecided says that it is settled", head, m.format)
			}
		}
	}
	for _, s := range []string{"M", "Z", "\xca\xfe\xba\xbe\x00", " \t", "\xef\xbb\xbf\n#", "\x04\x00\x00\x00\x20", "070701000"} {
		if !Undecided([]byte(s)) {
			t.Errorf("Undecided(%q) = false", s)
		}
	}
	for _, s := range []string{"data: hello", "<html>", "{}", "event: x"} {
		if Undecided([]byte(s)) {
			t.Errorf("Undecided(%q) = true", s)
		}
	}
}

func FuzzSniff(f *testing.F) {
	f.Add([]byte("MZ"), "a.exe")
	f.Fuzz(func(t *testing.T, head []byte, name string) {
		Sniff(head, name)
		if full := sniffContent(head); full != "" && full != "tar" && full != "iso" {
			for n := range min(len(head), 32) {
				if sniffContent(head[:n]) == "" && !Undecided(head[:n]) {
					t.Errorf("%q is %s, but its first %d bytes were settled", head[:min(32, len(head))], full, n)
				}
			}
		}
	})
}

func TestSniffOldAndRareCompression(t *testing.T) {
	for head, want := range map[string]Format{
		"\x50\x2a\x4d\x18\x00": "zstd", "\x5f\x2a\x4d\x18\x00": "zstd", "\x60\x2a\x4d\x18\x00": "", "\x04\x22\x4d\x18": "lz4",
		"LZIP\x01": "lzip", "\x1f\x9d\x90": "compress", "\x5d\x00\x00\x80\x00": "lzma",
	} {
		f := Sniff([]byte(head), "update")
		if f != want || want != "" && !f.Container() {
			t.Errorf("%q is %q, want %q", head, f, want)
		}
		for n := 1; n < 2 && want != ""; n++ {
			if !Undecided([]byte(head[:n])) {
				t.Errorf("%q is decided after %d bytes", head, n)
			}
		}
	}
}
