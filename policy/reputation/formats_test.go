package reputation

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

var testTime = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// digests to write lists with: aa…, bb…
func hexOf(c string, bytes int) string { return strings.Repeat(c, 2*bytes/len(c)) }

// entriesOf reads a list, and returns what it names as "kind value label", sorted.
func entriesOf(t testing.TB, how Reading, data string) ([]string, Summary, error) {
	t.Helper()
	set, summary, err := build(context.Background(), content{strings.NewReader(data), int64(len(data))}, how, "", testTime)
	if err != nil {
		return nil, summary, err
	}
	var all []string
	for e, err := range set.Added(nil) {
		if err != nil {
			t.Fatal(err)
		}
		s := e.Kind.String() + " " + e.Value
		if e.Label != "" {
			s += " " + e.Label
		}
		all = append(all, s)
	}
	slices.Sort(all)
	return all, summary, nil
}

func short(s string) string {
	for _, c := range "0123456789abcdef" {
		for _, n := range []int{128, 64, 40, 32} {
			s = strings.ReplaceAll(s, strings.Repeat(string(c), n), fmt.Sprintf("%c*%d", c, n/2))
		}
	}
	return s
}

// TestLists reads every file of testdata/lists, and compares with what lies beside it as NAME.want: the format, the
// counts, then the entries. Run with UPDATE=1 to write these files, and read them.
func TestLists(t *testing.T) {
	files, err := filepath.Glob("testdata/lists/*.in")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d lists, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			how := Reading{MaxUnreadable: 0.9, Good: strings.Contains(file, "good")}
			if _, column, ok := strings.Cut(filepath.Base(file), "@"); ok {
				how.Column = strings.TrimSuffix(column, ".in")
			}
			if strings.Contains(file, "certificates") {
				how.Values = ValuesCertificate
			}
			all, s, err := entriesOf(t, how, string(data))
			var got strings.Builder
			fmt.Fprintf(&got, "%s: %d taken, %d left out, %d unreadable, of %s\n", s.Format, s.Entries, s.Ignored, s.Unreadable, s.Date.Format(time.RFC3339))
			for _, p := range s.Problems {
				fmt.Fprintln(&got, p)
			}
			if err != nil {
				fmt.Fprintln(&got, err)
			}
			for _, e := range all {
				fmt.Fprintln(&got, short(e))
			}
			want := strings.TrimSuffix(file, ".in") + ".want"
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(want, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			expected, err := os.ReadFile(want)
			if err != nil || string(expected) != got.String() {
				t.Errorf("got\n%s\nwant\n%s\n%v", got.String(), expected, err)
			}
		})
	}
}

func TestUTF16AndByteOrderMarks(t *testing.T) {
	text := "# list\r\n" + hexOf("a", 32) + "\r\n" + hexOf("B", 32) + "\r\n"
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(text)) {
		little, big = append(little, byte(u), byte(u>>8)), append(big, byte(u>>8), byte(u))
	}
	for name, data := range map[string]string{"plain": text, "UTF-8": "\xef\xbb\xbf" + text, "UTF-16 LE": string(little), "UTF-16 BE": string(big)} {
		all, _, err := entriesOf(t, Reading{}, data)
		if err != nil || len(all) != 2 || all[1] != "sha256 "+hexOf("b", 32) {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

func TestUnreadableShare(t *testing.T) {
	list := func(good, bad int) string {
		var b strings.Builder
		for i := range good {
			fmt.Fprintf(&b, "%064x\n", i+1)
		}
		return b.String() + strings.Repeat("not a digest at all\n", bad)
	}
	for _, c := range []struct {
		good, bad int
		share     float64
		ok        bool
	}{{1000, 0, -1, true}, {1000, 1, -1, false}, {990, 10, 0, true}, {989, 11, 0, false}, {10, 1, 0, false}, {10, 1, 0.1, true}, {0, 0, 0, true}} {
		_, s, err := entriesOf(t, Reading{MaxUnreadable: c.share}, list(c.good, c.bad))
		var refused *Refusal
		if (err == nil) != c.ok || !c.ok && !errors.As(err, &refused) || s.Unreadable != c.bad {
			t.Errorf("%+v: %d unreadable, %v", c, s.Unreadable, err)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprintf("line %d", c.good+1)) {
			t.Errorf("the error names no line: %v", err)
		}
	}
}

func TestKnownGoodListsNeedMoreThanSHA1(t *testing.T) {
	data := hexOf("a", 32) + "\n" + hexOf("b", 20) + "\n" + hexOf("c", 16) + "\n"
	all, s, err := entriesOf(t, Reading{Good: true}, data)
	if err != nil || len(all) != 1 || s.Ignored != 2 {
		t.Errorf("%v, %+v, %v", all, s, err)
	}
}

func zipOf(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, files[i+1])
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func osvOf(id, ecosystem, name string) string {
	return fmt.Sprintf(`{"id":%q,"modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`, id, ecosystem, name)
}

func TestPackedLists(t *testing.T) {
	var packed bytes.Buffer
	g := gzip.NewWriter(&packed)
	io.WriteString(g, hexOf("a", 32)+"\n")
	g.Close()
	many := []string{"README.md", "not json", "x/", ""}
	for i := range 50 {
		many = append(many, fmt.Sprintf("npm/MAL-%d.json", i), osvOf(fmt.Sprint("MAL-", i), "npm", fmt.Sprint("bad-", i)))
	}
	for name, c := range map[string]struct {
		data string
		n    int
	}{
		"gzip": {packed.String(), 1}, "zip of OSV": {zipOf(t, many...), 50}, "zip of a list": {zipOf(t, "full.csv", "# \"sha256_hash\",\"signature\"\n\""+hexOf("a", 32)+"\", \"x\"\n"), 1},
	} {
		all, _, err := entriesOf(t, Reading{}, c.data)
		if err != nil || len(all) != c.n {
			t.Errorf("%s: %d entries, %v", name, len(all), err)
		}
	}
	for name, data := range map[string]string{
		"empty zip": zipOf(t), "cut gzip": packed.String()[:packed.Len()-9], "a damaged member": zipOf(t, "a.json", osvOf("A", "npm", "a"), "b.json", `{"id":`),
		"cut zip": zipOf(t, many...)[:3000], "a lying zip": strings.Replace(zipOf(t, "a.json", osvOf("A", "npm", "a")), "PK\x01\x02", "PK\x01\x03", 1),
	} {
		var refused *Refusal
		if all, _, err := entriesOf(t, Reading{}, data); !errors.As(err, &refused) {
			t.Errorf("%s: %v, %v", name, all, err)
		}
	}
}

func TestBrokenJSONIsRefusedWhole(t *testing.T) {
	bundle := `{"type":"bundle","id":"bundle--1","objects":[` + "\n" + `{"type":"indicator","id":"indicator--1","pattern_type":"stix","pattern":"[file:hashes.'SHA-256' = '` + hexOf("a", 32) + `']"}` + "\n]}"
	if all, _, err := entriesOf(t, Reading{}, bundle); err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	event := `{"Event":{"info":"x","Attribute":[{"type":"sha256","to_ids":true,"value":"` + hexOf("a", 32) + `"}]}}`
	for _, whole := range []string{bundle, event, osvOf("A", "npm", "a"), "[" + osvOf("A", "npm", "a") + "]"} {
		for _, data := range []string{whole[:len(whole)-1], whole[:len(whole)-2], whole[:len(whole)/2], whole + "x", strings.Replace(whole, ":", "", 1)} {
			var refused *Refusal
			if all, _, err := entriesOf(t, Reading{}, data); !errors.As(err, &refused) {
				t.Errorf("%.40s…%s: %v, %v", data, data[len(data)-10:], all, err)
			}
		}
	}
}

func TestPattern(t *testing.T) {
	a, b := hexOf("a", 32), hexOf("b", 16)
	for pattern, want := range map[string]string{
		"[file:hashes.'SHA-256' = '" + a + "']": "sha256",
		"[file:hashes.SHA256='" + a + "']":      "sha256",
		`[file:hashes."SHA-256" = '` + a + `']`: "sha256",
		"[file:hashes.MD5 = '" + b + "' AND file:hashes.'SHA-256' = '" + a + "' AND file:name = 'x AND y']":      "sha256",
		"[file:hashes.MD5 = '" + b + "' OR file:hashes.'SHA-256' = '" + a + "']":                                 "md5 sha256",
		"([file:hashes.MD5 = '" + b + "'] OR [url:value = 'http://x.example/\\'a'])":                             "md5 url",
		"[file:hashes.'SHA-256' IN ('" + a + "', '" + strings.Replace(a, "a", "b", 1) + "')]":                    "sha256 sha256",
		"[file:hashes.'SHA-256' != '" + a + "']":                                                                 "",
		"[file:hashes.'SHA-256' NOT = '" + a + "']":                                                              "",
		"[domain-name:value = 'evil.example']":                                                                   "domain",
		"[domain-name:value = 'evil.example' AND domain-name:resolves_to_refs[*].value = '198.51.100.1']":        "domain",
		"[domain-name:value = 'shared.example' AND file:name = 'x.exe']":                                         "",
		"[domain-name:value LIKE '%.example']":                                                                   "",
		"[ipv4-addr:value = '198.51.100.1']":                                                                     "",
		"[x509-certificate:serial_number = '36:f7:d4:32:f4:ab:70:ea:d3']":                                        "cert-serial",
		"[x509-certificate:issuer = 'CN=Some CA, O=x' AND x509-certificate:serial_number = '02']":                "cert-serial",
		"[x509-certificate:hashes.'SHA-256' = '" + a + "']":                                                      "cert-sha256",
		"[file:hashes.'SHA-256' = '" + a + "'] FOLLOWEDBY [ipv4-addr:value = '198.51.100.1'] WITHIN 300 SECONDS": "sha256",
		"[file:hashes.'SHA-256' = '" + a + "'] START t'2026-01-01T00:00:00Z' STOP t'2026-02-01T00:00:00Z'":       "sha256",
		"[file:extensions.'windows-pebinary-ext'.sections[*].hashes.'SHA-256' = '" + a + "']":                    "",
		"[process:image_ref.hashes.'SHA-256' = '" + a + "']":                                                     "",
	} {
		alternatives, err := parsePattern(pattern)
		var got []string
		for _, terms := range alternatives {
			list, e := stixEntries(terms)
			err = errors.Join(err, e)
			for _, e := range list {
				got = append(got, e.kind.String())
			}
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %v, %v; want %s", pattern, got, err, want)
		}
	}
	for _, pattern := range []string{"[file:hashes.MD5 = 'abc", "[file:hashes.MD5 ~ 'abc']", "[file:hashes.'SHA-256' IN ('" + a + "'", "[file:hashes.MD5"} {
		if alternatives, err := parsePattern(pattern); err == nil {
			t.Errorf("%s was read as %v", pattern, alternatives)
		}
	}
}

func TestEndedIndicatorsDoNotCount(t *testing.T) {
	indicator := func(c, until string) string {
		return `{"type":"indicator","id":"indicator--` + c + `","pattern":"[file:hashes.'SHA-256'='` + hexOf(c, 32) + `']","valid_until":"` + until + `"}`
	}
	data := `{"type":"bundle","objects":[` + indicator("a", "2026-11-23T11:59:59Z") + "," + indicator("b", "2026-11-24T00:00:00Z") + `]}`
	set, s, err := build(context.Background(), content{strings.NewReader(data), int64(len(data))}, Reading{}, "", testTime)
	if err != nil || s.Entries != 1 || s.Ignored != 1 {
		t.Fatalf("%+v, %v", s, err)
	}
	v := &View{lists: []*list{{feed: &Feed{Name: "x"}, set: set}}}
	subject := Subject{At: testTime}
	copy(subject.SHA256[:], bytes.Repeat([]byte{0xbb}, 32))
	if hits, err := v.Match(subject); err != nil || len(hits) != 1 {
		t.Errorf("before its end: %v, %v", hits, err)
	}
	subject.At = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	if hits, err := v.Match(subject); err != nil || len(hits) != 0 {
		t.Errorf("at its end: %v, %v", hits, err)
	}
}
