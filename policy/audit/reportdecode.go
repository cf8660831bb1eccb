package audit

import (
	"encoding/json"

	"github.com/sallyport-project/sallyport/verify"
)

// decodeReport decodes a report as encoding/json does. What its findings and files have in common it decodes and holds once.
func decodeReport(body []byte) (r verify.Report, err error) {
	if newReports().reportOf(body, &r) == len(body) {
		return r, nil
	}
	r = verify.Report{}
	return r, json.Unmarshal(body, &r)
}

// reports decodes one report.
type reports struct {
	report   partial[verify.Report]
	finding  partial[verify.Finding]
	contents partial[verify.Contents]
	file     partial[verify.Inner]
}

func newReports() *reports {
	d := &reports{}
	d.report.names = []string{"findings", "contents"}
	d.report.whole = func(r *verify.Report) bool { return r.Findings == nil && r.Contents == nil }
	d.finding.names = []string{"subject"}
	d.finding.whole = func(f *verify.Finding) bool { return f.Subject == "" }
	d.contents.names = []string{"inner"}
	d.contents.whole = func(c *verify.Contents) bool { return c.Inner == nil }
	d.file.names = []string{"path", "size", "sha256"}
	d.file.whole = func(in *verify.Inner) bool { return in.Path == "" && in.Size == 0 && in.SHA256.IsZero() }
	return d
}

// The functions that follow decode the value that begins at a place, and return the place behind it; below 0 where it is not written as
// the store writes it.

func (d *reports) reportOf(body []byte, r *verify.Report) (end int) {
	var findings []verify.Finding
	var contents *verify.Contents
	end = d.report.take(body, 0, r, func(i, at int) (end int) {
		if i > 0 {
			contents = &verify.Contents{}
			return d.contentsOf(body, at, contents)
		}
		findings = []verify.Finding{}
		return eachElement(body, at, func(at int) int {
			findings = append(findings, verify.Finding{})
			return d.findingOf(body, at, &findings[len(findings)-1])
		})
	})
	r.Findings, r.Contents = findings, contents
	return end
}

func (d *reports) findingOf(body []byte, at int, f *verify.Finding) (end int) {
	subject := ""
	end = d.finding.take(body, at, f, func(_, at int) (end int) {
		subject, end = text(body, at)
		return end
	})
	f.Subject = subject
	return end
}

func (d *reports) contentsOf(body []byte, at int, c *verify.Contents) (end int) {
	var inner []verify.Inner
	end = d.contents.take(body, at, c, func(_, at int) int {
		inner = []verify.Inner{}
		return eachElement(body, at, func(at int) int {
			inner = append(inner, verify.Inner{})
			return d.fileOf(body, at, &inner[len(inner)-1])
		})
	})
	c.Inner = inner
	return end
}

func (d *reports) fileOf(body []byte, at int, in *verify.Inner) (end int) {
	var parts verify.Inner
	end = d.file.take(body, at, in, func(i, at int) (end int) {
		switch i {
		case 0:
			parts.Path, end = text(body, at)
		case 1:
			parts.Size, end = whole(body, at)
		default:
			var sum string
			if sum, end = text(body, at); end >= 0 && parts.SHA256.UnmarshalText([]byte(sum)) != nil {
				return -1
			}
		}
		return end
	})
	in.Path, in.Size, in.SHA256 = parts.Path, parts.Size, parts.SHA256
	return end
}
