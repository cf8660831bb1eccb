package unpack

import (
	"archive/tar"
	"bytes"
	"strconv"
	"strings"
)

// tarExtensions are what headers before a member say of it: pax records (POSIX.1-2001), and GNU's long names.
type tarExtensions struct {
	types   string            // of the headers, in their order
	records map[string]string // of the pax header
}

// add takes a header about the member to come, or refuses one about all to come that says what only one of them can be.
func (x *tarExtensions) add(of tarFrame, text []byte) error {
	text = text[:of.size]
	if of.typeflag == tar.TypeGNULongName || of.typeflag == tar.TypeGNULongLink {
		return x.once(of.typeflag)
	}
	records, err := paxRecords(text)
	if err != nil {
		return err
	}
	if of.typeflag == tar.TypeXHeader {
		x.records = records
		return x.once(of.typeflag)
	}
	for key := range records {
		if key == "path" || key == "linkpath" || key == "size" || strings.HasPrefix(key, "GNU.sparse.") {
			return tarBroken("a header about all members gives them a %.40s, which some programs pass over", key)
		}
	}
	if x.types != "" {
		return tarBroken("a header about all members stands between a member and one about that")
	}
	return nil
}

func (x *tarExtensions) once(typeflag byte) error {
	if strings.IndexByte(x.types, typeflag) >= 0 {
		return tarBroken("two headers of the type %q are about one member: which of them counts depends on the program", typeflag)
	}
	x.types += string(typeflag)
	return nil
}

// apply says what the headers make of a member, and returns its size.
func (x *tarExtensions) apply(of *tarFrame) (size int64, err error) {
	long := strings.IndexByte(x.types, tar.TypeGNULongName) >= 0
	longLink := strings.IndexByte(x.types, tar.TypeGNULongLink) >= 0
	path, link := x.records["path"], x.records["linkpath"]
	if long && path != "" || longLink && link != "" {
		return 0, tarBroken("%.120q has one name by GNU's way and one by POSIX's: which of them counts depends on the program", of.name)
	}
	if err := x.sparse(of); err != nil {
		return 0, err
	}
	of.renamed = long || path != "" || of.sparse != ""
	stated := x.records["size"]
	if stated == "" {
		return of.size, nil
	}
	size, err = strconv.ParseInt(stated, 10, 64)
	if err != nil || size < 0 {
		return 0, tarBroken("%.120q has a size of %.40q", of.name, stated)
	}
	if size != of.size && size <= maxOctalSize {
		return 0, tarBroken("%.120q has %d bytes by one header and %d by another: which of them counts depends on the program", of.name, of.size, size)
	}
	return size, nil
}

// sparse demands of records about a sparse file (GNU tar's manual, "Storing Sparse Files") that they are of a version
// that there is: some programs take name and size from them in any case, others only then.
func (x *tarExtensions) sparse(of *tarFrame) error {
	any := false
	for key := range x.records {
		any = any || strings.HasPrefix(key, "GNU.sparse.")
	}
	if !any {
		return nil
	}
	major, versioned := x.records["GNU.sparse.major"]
	switch version := major + "." + x.records["GNU.sparse.minor"]; {
	case version == "1.0", version == "0.0", version == "0.1":
	case !versioned && (x.records["GNU.sparse.map"] != "" || x.records["GNU.sparse.offset"] != ""):
	default:
		return tarBroken("%.120q is a sparse file of no version that is known", of.name)
	}
	of.sparse = x.records["GNU.sparse.name"]
	return nil
}

// maxOctalSize is the largest size that a header has room for.
const maxOctalSize = 1<<33 - 1

// paxRecords reads the records of a pax header: "length key=value\n", the length in decimal and of the whole record.
func paxRecords(b []byte) (map[string]string, error) {
	out := map[string]string{}
	for len(b) > 0 {
		digits, _, _ := bytes.Cut(b, []byte(" "))
		n, err := strconv.ParseUint(string(digits), 10, 31)
		if err != nil || n > uint64(len(b)) || int(n) <= len(digits)+1 || b[n-1] != '\n' {
			return nil, tarBroken("a pax header has a record that is none")
		}
		key, value, ok := strings.Cut(string(b[len(digits)+1:n-1]), "=")
		if _, twice := out[key]; !ok || key == "" || twice && paxTwice[key] {
			return nil, tarBroken("a pax header has a record that is none, or %.40q twice", key)
		}
		out[key] = value
		b = b[n:]
	}
	return out, nil
}

// paxTwice are the keys that a header must not have twice. GNU's old way of describing sparse files repeats others.
var paxTwice = map[string]bool{"path": true, "linkpath": true, "size": true}

// tarSize reads the field of a header that has the size: octal digits, or a number in base 256 where the first bit is
// set (GNU).
func tarSize(b []byte) (int64, error) {
	if b[0]&0x80 != 0 {
		n := int64(b[0] & 0x7f)
		for _, c := range b[1:] {
			if n > maxTarSize>>8 {
				return 0, tarBroken("a member has an impossible size")
			}
			n = n<<8 | int64(c)
		}
		return n, nil
	}
	digits := strings.Trim(cString(bytes.TrimLeft(b, " \x00")), " ")
	if digits == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(digits, 8, 62)
	if err != nil {
		return 0, tarBroken("a member has a size of %.12q", digits)
	}
	return int64(n), nil
}

// maxTarSize is the largest size of a member that is followed, in bytes.
const maxTarSize = 1 << 60
