package reputation

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
)

// endless is content of any size that says the same over and over.
type endless struct{ text string }

func (e endless) ReadAt(p []byte, off int64) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], e.text[(off+int64(n))%int64(len(e.text)):])
	}
	return len(p), nil
}

// led puts a beginning before other content.
type led struct {
	head string
	rest io.ReaderAt
}

func (l led) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.rest.ReadAt(p, off)
	if off < int64(len(l.head)) {
		copy(p, l.head[off:])
	}
	return n, err
}

// TestHostileLists reads what is meant to cost memory or time, and demands a refusal that costs neither.
func TestHostileLists(t *testing.T) {
	const mega = 1 << 20
	bomb := func(text string, n int) string {
		var b bytes.Buffer
		g, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
		for range n / len(text) {
			io.WriteString(g, text)
		}
		g.Close()
		return b.String()
	}
	zeros := strings.Repeat("\x00", mega)
	text := func(s string) content { return content{strings.NewReader(s), int64(len(s))} }
	for name, c := range map[string]struct {
		in     content
		format Format
	}{
		"one endless line":                     {content{endless{"a"}, 64 * mega}, FormatAuto},
		"an endless line of CSV":               {content{endless{`"a",`}, 64 * mega}, FormatCSV},
		"nothing but line ends":                {content{led{"x\n", endless{"\n"}}, 8 * mega}, FormatPlain},
		"an endless string in JSON":            {content{led{`{"type":"`, endless{"a"}}, 64 * mega}, FormatAuto},
		"an endless number":                    {content{led{`{"objects":[1`, endless{"1"}}, 64 * mega}, FormatSTIX},
		"endless white space":                  {content{led{`{"objects":[`, endless{" \n"}}, 64 * mega}, FormatSTIX},
		"deep arrays":                          {content{endless{"["}, 64 * mega}, FormatMISP},
		"deep objects":                         {content{endless{`{"Event":`}, 64 * mega}, FormatMISP},
		"deep objects of STIX":                 {content{led{`{"objects":[`, endless{`{"a":`}}, 64 * mega}, FormatSTIX},
		"deep objects of OSV":                  {content{endless{`{"affected":`}, 64 * mega}, FormatOSV},
		"a deep array for detection":           {content{endless{"[{"}, 64 * mega}, FormatAuto},
		"a gzip bomb":                          {text(bomb(zeros, 300*mega)), FormatAuto},
		"a gzip bomb of short lines":           {text(bomb(strings.Repeat("x\n", 4096), 100*mega)), FormatAuto},
		"a zip that claims to have many files": {text("PK\x03\x04" + strings.Repeat("x", 100) + "PK\x05\x06\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00\x00\x00\x00\x00"), FormatAuto},
		"a pattern of many terms":              {text(`{"objects":[{"type":"indicator","id":"x","pattern":"[` + strings.Repeat(`url:value='http://a.example/' OR `, maxTerms+1) + `"}]}`), FormatSTIX},
		"a package with many versions":         {text(`{"id":"x","affected":[{"package":{"ecosystem":"npm","name":"a"},"versions":[` + strings.Repeat(`"1",`, maxEvents) + `"1"]}]}`), FormatOSV},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && c.in.size > 8*mega {
				t.Skip("with -short the inputs of more than 8 MiB are left out")
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, summary, err := build(context.Background(), c.in, Reading{Format: c.format}, "", testTime)
			runtime.ReadMemStats(&after)
			var refused *Refusal
			if !errors.As(err, &refused) {
				t.Fatalf("%+v, %v", summary, err)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 512*mega {
				t.Errorf("%d MiB were allocated", used/mega)
			}
			if len(err.Error()) > 500 {
				t.Errorf("a message of %d bytes", len(err.Error()))
			}
		})
	}
}

func TestReadingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := build(ctx, content{endless{hexOf("a", 32) + "\n"}, 1 << 30}, Reading{Format: FormatPlain}, "", testTime)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestReadFaultIsOurs tells a disk that fails from a list that is wrong.
func TestReadFaultIsOurs(t *testing.T) {
	fault := errors.New("the disk is on fire")
	for _, format := range formats {
		var refused *Refusal
		_, _, err := build(context.Background(), content{failing{fault}, 1000}, Reading{Format: format}, "", testTime)
		if !errors.Is(err, fault) || errors.As(err, &refused) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// TestFaultyLookUp is about a set whose file fails after it was opened: nobody may take that for "not listed".
func TestFaultyLookUp(t *testing.T) {
	s := buildSet(t, "", 100, []entry{digestEntry(KindSHA256, bytes.Repeat([]byte{1}, 32))})
	s.at = failing{errors.New("the disk is on fire")}
	v := &View{lists: []*list{{feed: &Feed{Name: "bad"}, set: s}}}
	var subject Subject
	copy(subject.SHA256[:], bytes.Repeat([]byte{1}, 32))
	if _, err := v.Match(subject); err == nil || !strings.Contains(fmt.Sprint(err), "feed bad") {
		t.Errorf("%v", err)
	}
}
