package msidb

import (
	"errors"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// Identity is what an installer calls what it installs. Nothing but the installer's signature stands for it.
type Identity struct {
	ProductName, ProductVersion, Manufacturer string
	ProductCode, UpgradeCode                  string // identifiers in braces
	Language                                  string // the property ProductLanguage, a Windows language number: "1033"
	Template                                  string // of the summary: platforms, a semicolon, languages: "x64;1033"
}

// maxProperty bounds a property of Identity, in bytes; the rest is cut off.
const maxProperty = 256

// Identify reads the Identity of an installer of size bytes. An installer without properties has an empty one. What is
// wrong with it matches ErrMalformed, cfb.ErrMalformed or cfb.ErrNotCompound; other errors are those of reading.
func Identify(r io.ReaderAt, size int64) (Identity, error) {
	f, err := cfb.Open(r, size)
	if err != nil {
		return Identity{}, err
	}
	d, err := Open(f, f.Root)
	if err != nil {
		return Identity{}, err
	}
	return d.Identify()
}

// Identify reads the Identity of the installer that the database is of.
func (d *Database) Identify() (Identity, error) {
	properties, err := d.Properties()
	if err != nil {
		return Identity{}, err
	}
	get := func(name string) string {
		s := properties[name]
		return s[:min(len(s), maxProperty)]
	}
	platform, err := template(d.file, d.storage)
	if err != nil {
		return Identity{}, err
	}
	return Identity{
		Language: get("ProductLanguage"), Template: platform[:min(len(platform), maxProperty)],
		ProductName: get("ProductName"), ProductVersion: get("ProductVersion"), Manufacturer: get("Manufacturer"),
		ProductCode: get("ProductCode"), UpgradeCode: get("UpgradeCode"),
	}, nil
}

// Properties returns the table Property; an empty map where there is none.
func (d *Database) Properties() (map[string]string, error) {
	out := map[string]string{}
	t, err := d.Table("Property")
	if errors.Is(err, ErrNoTable) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	for row := range t.Rows() {
		out[t.Text(row, "Property")] = t.Text(row, "Value")
	}
	return out, nil
}
