package authenticode

import (
	"bytes"

	"github.com/sallyport-project/sallyport/verify"
)

// Limits of what is in a certificate table although nobody trusted stands for it, in bytes. Whoever makes such a
// signature, timestamp or certificate decides about its content.
const (
	maxUntrusted = 16 << 10 // an untrusted signature beside a trusted one, its unsigned attributes left out; an untrusted timestamp
	maxUnproven  = 32 << 10 // all of these and all certificates outside trusted paths together
)

// unprovenBytes counts size bytes for which nobody trusted stands, and reports what in raw is no part of a signature:
// something that another program than Windows' loader would find there and run.
func (x *Examination) unprovenBytes(raw []byte, size int, where string) {
	x.unproven += size
	if what := Active(raw); what != "" {
		x.Remark(verify.Invalid, "hidden-data", "The %s, for which nobody trusted stands, holds %s.", where, what)
	}
}

// archives are the marks by which programs find an archive inside or at the end of a file of any kind: Java runs a zip
// file that ends a signed program, and self-extractors look for theirs.
var archives = []struct{ mark, what string }{
	{"PK\x05\x06", "the end of a zip file or Java archive"},
	{"Rar!\x1a\x07", "a RAR archive"},
	{"7z\xbc\xaf\x27\x1c", "a 7z archive"},
	{"MSCF\x00\x00\x00\x00", "a cabinet"},
}

// elements are the HTML elements that bring a script along, or turn what follows into one. A browser engine, such as
// that of mshta.exe, finds them in a file of any kind.
var elements = []string{
	"script", "html", "body", "head", "hta:application", "img", "svg", "object", "iframe", "frame", "frameset", "embed", "applet",
	"input", "video", "audio", "xml", "meta", "link", "style", "form", "table", "marquee", "details", "bgsound", "image", "job",
	"package", "component", "scriptlet", "registration", "?php", "?xml", "?component",
}

// Active names what in b would be run by a program that looks for it in files of any kind; "" if there is none.
func Active(b []byte) string {
	for _, a := range archives {
		if bytes.Contains(b, []byte(a.mark)) {
			return a.what
		}
	}
	lower := bytes.ToLower(b)
	for {
		at := bytes.IndexByte(lower, '<')
		if at < 0 {
			return ""
		}
		lower = lower[at+1:]
		for _, e := range elements {
			if rest, ok := bytes.CutPrefix(lower, []byte(e)); ok && len(rest) > 0 && bytes.IndexByte([]byte(" \t\r\n\f/>"), rest[0]) >= 0 {
				return "HTML or a script (an element <" + e + ">)"
			}
		}
	}
}
