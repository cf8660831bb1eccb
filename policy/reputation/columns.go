package reputation

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// columns says which column of a CSV list means what; -1 is none.
type columns struct {
	value int // the one that was asked for

	sha256, sha1, md5, sha512  int
	thumbprint, serial, issuer int
	url, domain, host, purl    int
	sort, any                  int // a column that says what the value in another is (MISP, ThreatFox)
	family, label, listed      int
	special, toIDs             int // special: of NSRL; toIDs: of MISP
}

// meaning returns what a column is for, by its name in small letters and digits alone. The names are those of abuse.ch
// (MalwareBazaar, URLhaus, ThreatFox, CSCB), NSRL, MISP and common spellings.
func meaning(name string) func(*columns) *int {
	switch name {
	case "sha256", "sha256hash", "sha256sum", "filesha256", "hashsha256":
		return func(c *columns) *int { return &c.sha256 }
	case "sha1", "sha1hash", "sha1sum", "filesha1", "hashsha1":
		return func(c *columns) *int { return &c.sha1 }
	case "md5", "md5hash", "md5sum", "filemd5", "hashmd5":
		return func(c *columns) *int { return &c.md5 }
	case "sha512", "sha512hash", "sha512sum":
		return func(c *columns) *int { return &c.sha512 }
	case "thumbprint", "certificatethumbprint", "fingerprint", "certsha256", "certsha1", "x509fingerprintsha256":
		return func(c *columns) *int { return &c.thumbprint }
	case "serialnumber", "serial", "certserial":
		return func(c *columns) *int { return &c.serial }
	case "issuercn", "issuer", "issuername":
		return func(c *columns) *int { return &c.issuer }
	case "url":
		return func(c *columns) *int { return &c.url }
	case "domain", "domainname":
		return func(c *columns) *int { return &c.domain }
	case "host", "hostname", "fqdn":
		return func(c *columns) *int { return &c.host }
	case "purl", "packageurl":
		return func(c *columns) *int { return &c.purl }
	}
	return otherMeaning(name)
}

func otherMeaning(name string) func(*columns) *int {
	switch name {
	case "type", "ioctype", "indicatortype":
		return func(c *columns) *int { return &c.sort }
	case "value", "iocvalue", "ioc", "indicator", "hash", "filehash", "digest":
		return func(c *columns) *int { return &c.any }
	case "signature", "malware", "malwareprintable", "malwarefamily", "family", "threat", "threatname", "listingreason", "reason", "cscbreason":
		return func(c *columns) *int { return &c.family }
	case "label", "comment", "name", "filename", "tags", "description":
		return func(c *columns) *int { return &c.label }
	case "firstseenutc", "firstseen", "dateadded", "timestamputc", "listingdate", "listed", "date":
		return func(c *columns) *int { return &c.listed }
	case "specialcode":
		return func(c *columns) *int { return &c.special }
	case "toids":
		return func(c *columns) *int { return &c.toIDs }
	}
	return nil
}

func plainName(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			return c
		}
		return -1
	}, strings.ToLower(s))
}

func noColumns() *columns {
	return &columns{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
}

// newColumns reads a header; nil if it is none: it names nothing to look for, or not the column that is asked for.
func newColumns(names []string, want string) *columns {
	c := noColumns()
	for i, name := range names {
		if want != "" && strings.EqualFold(name, want) {
			c.value = i
		}
		if f := meaning(plainName(name)); f != nil {
			if at := f(c); *at < 0 {
				*at = i
			}
		}
	}
	useful := c.identifies()
	if isDigits(want) {
		n, _ := strconv.Atoi(want)
		c.value = n - 1
		return onlyIf(useful, c)
	}
	return onlyIf(want == "" && useful || want != "" && c.value >= 0, c)
}

func onlyIf(ok bool, c *columns) *columns {
	if ok {
		return c
	}
	return nil
}

func (c *columns) identifies() bool {
	return max(c.sha256, c.sha1, c.md5, c.sha512, c.thumbprint, c.serial, c.url, c.domain, c.host, c.purl, c.any) >= 0
}

func newNumbered(number string) *columns {
	c := noColumns()
	n, _ := strconv.Atoi(number)
	c.value = n - 1
	return c
}

// field returns a field; empty where it is missing or says that there is none.
func field(row []string, i int) string {
	if i < 0 || i >= len(row) {
		return ""
	}
	switch s := row[i]; strings.ToLower(s) {
	case "n/a", "none", "null", "-", "\\n", "na":
		return ""
	default:
		return s
	}
}

// row takes what a row names: the column asked for, else the strongest digest, else certificate, URL, name.
func (c *columns) row(r *reader, row []string, line int) error {
	if mark := field(row, c.special); mark != "" && r.Good || field(row, c.toIDs) == "0" {
		r.summary.Ignored++ // NSRL marks what is malicious (M) or special (S)
		return nil
	}
	label, listed := cmp.Or(field(row, c.family), field(row, c.label)), parseTime(field(row, c.listed))
	r.dated(listed)
	give := func(e entry, err error) error {
		if err != nil {
			r.unreadable(line, "%v", err)
			return nil
		}
		return r.take(e, line, label, listed)
	}
	if c.value >= 0 {
		if v := field(row, c.value); v != "" {
			return give(r.value(v))
		}
		return nil
	}
	if v := field(row, c.any); v != "" && c.sort >= 0 {
		e, used, err := typedEntry(field(row, c.sort), v)
		if !used {
			r.summary.Ignored++
			return nil
		}
		return give(e, err)
	} else if v != "" {
		return give(r.value(v))
	}
	if done, err := c.digest(r, row, give); done || err != nil {
		return err
	}
	return c.other(row, give)
}

// digest takes the strongest digest of a file that the row has.
func (c *columns) digest(r *reader, row []string, give func(entry, error) error) (bool, error) {
	for _, d := range []struct {
		at   int
		kind Kind
	}{{c.sha256, KindSHA256}, {c.sha512, KindSHA512}, {c.sha1, KindSHA1}, {c.md5, KindMD5}} {
		v := field(row, d.at)
		if v == "" {
			continue
		}
		sum, ok := digest([]byte(v))
		if !ok || len(sum) != d.kind.digestSize() {
			return true, give(entry{}, fmt.Errorf("%s is no %s", quote(v), d.kind))
		}
		kind := d.kind
		if r.Values == ValuesCertificate {
			if kind = certificateKind(len(sum)); kind == KindNone {
				continue
			}
		}
		return true, give(digestEntry(kind, sum), nil)
	}
	return false, nil
}

// other takes what is not a digest of a file. A certificate may be named by its digest and its serial number both.
func (c *columns) other(row []string, give func(entry, error) error) error {
	if v := field(row, c.thumbprint); v != "" {
		sum, err := hexText(v)
		if certificateKind(len(sum)) == KindNone {
			err = fmt.Errorf("%s is no digest of a certificate", quote(v))
		}
		if err := give(digestEntry(certificateKind(len(sum)), sum), err); err != nil {
			return err
		}
	}
	if v := field(row, c.serial); v != "" {
		e, err := serialEntry(v, field(row, c.issuer))
		if err == nil || c.thumbprint < 0 {
			return give(e, err)
		}
		return nil
	}
	for _, o := range []struct {
		at   int
		make func(string) (entry, error)
	}{{c.url, urlEntry}, {c.host, hostEntry}, {c.domain, domainEntry}, {c.purl, purlEntry}} {
		if v := field(row, o.at); v != "" && c.thumbprint < 0 {
			return give(o.make(refang(v)))
		}
	}
	return nil
}

// parseStamp reads a time given in seconds since 1970, or as text.
func parseStamp(s string) time.Time {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 && n < 1<<33 {
		return time.Unix(n, 0).UTC()
	}
	return parseTime(s)
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
