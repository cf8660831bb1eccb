package msidb

import (
	"errors"
	"fmt"
	"io"

	"github.com/sallyport-project/sallyport/verify/internal/cfb"
)

// ErrMalformed marks what contradicts the format or itself. Other errors of this package are those of reading.
var ErrMalformed = errors.New("malformed installer database")

// ErrNoTable is what Table returns where the database has none of that name.
var ErrNoTable = errors.New("no such table")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Limits of what is read.
const (
	maxStream  = 64 << 20 // bytes of one table or of all strings
	maxStrings = 1 << 20
	maxColumns = 1 << 14 // of all tables together
	maxRows    = 1 << 19 // of one table
)

// Database is an open database, to be used by one goroutine at a time.
type Database struct {
	// Codepage is Windows' number of the strings' encoding; 0 is neutral.
	Codepage int

	file    *cfb.File
	storage *cfb.Entry
	streams map[string]*cfb.Entry // of tables
	others  map[string]bool       // names of streams that are no tables
	strings pool
	columns map[string][]Column
	tables  map[string]bool
}

// Open reads the strings and the list of tables of the database in a storage: the root of a package, or a storage
// inside it.
func Open(f *cfb.File, storage *cfb.Entry) (*Database, error) {
	d := &Database{file: f, storage: storage, streams: map[string]*cfb.Entry{}, others: map[string]bool{}, columns: map[string][]Column{}, tables: map[string]bool{}}
	for _, e := range storage.Children {
		n := DecodeName(e.Units)
		if !n.Table && e.Kind == cfb.Stream {
			d.others[n.Text] = true
		}
		if n.Table && e.Kind == cfb.Stream {
			if d.streams[n.Text] != nil {
				return nil, malformed("the table %q is there twice", n.Text)
			}
			d.streams[n.Text] = e
		}
	}
	if err := d.readStrings(); err != nil {
		return nil, err
	}
	return d, d.readSchema()
}

// read returns the bytes of a table's stream; none where there is no stream.
func (d *Database) read(name string) ([]byte, error) {
	e := d.streams[name]
	if e == nil {
		return nil, nil
	}
	if e.Size > maxStream {
		return nil, malformed("the table %q has %d bytes, more than %d", name, e.Size, maxStream)
	}
	b := make([]byte, e.Size)
	if n, err := d.file.Open(e).ReadAt(b, 0); n < len(b) {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("reading the table %q: %w", name, err)
	}
	return b, nil
}

// Column is one column of a table.
type Column struct {
	Name string
	kind uint16
	size int // bytes of a value
}

// Bits of a column's type.
const (
	kindSize     = 0x00ff
	kindValid    = 0x0100
	kindString   = 0x0800
	kindNullable = 0x1000
	kindKey      = 0x2000
)

// Binary reports whether the values are streams of their own, named after table and keys.
func (c Column) Binary() bool {
	return c.kind&^kindNullable == kindString|kindValid
}

// Text reports whether the values are strings.
func (c Column) Text() bool { return c.kind&kindString != 0 && !c.Binary() }

// Key reports whether the column is part of the table's primary key.
func (c Column) Key() bool { return c.kind&kindKey != 0 }

// column makes a Column of its type, with the size that a value of it has in this database.
func (d *Database) column(name string, kind uint16) (Column, error) {
	c := Column{Name: name, kind: kind}
	switch n := kind & kindSize; {
	case c.Binary():
		c.size = 2
	case c.Text():
		c.size = d.strings.reference
	case n <= 2:
		c.size = 2
	case n == 4:
		c.size = 4
	default:
		return c, malformed("the column %q is of type %#x", name, kind)
	}
	return c, nil
}

// readSchema reads the tables _Tables and _Columns, which describe all others.
func (d *Database) readSchema() error {
	list, err := d.load("_Tables", []Column{{Name: "Name", kind: kindString | kindValid | 64, size: d.strings.reference}})
	if err != nil {
		return err
	}
	for row := range list.Rows() {
		d.tables[list.Text(row, "Name")] = true
	}
	columns, err := d.load("_Columns", []Column{
		{Name: "Table", kind: kindString | kindValid | 64, size: d.strings.reference},
		{Name: "Number", kind: kindValid | 2, size: 2},
		{Name: "Name", kind: kindString | kindValid | 64, size: d.strings.reference},
		{Name: "Type", kind: kindValid | 2, size: 2},
	})
	if err != nil {
		return err
	}
	if columns.Rows() > maxColumns {
		return malformed("%d columns, more than %d", columns.Rows(), maxColumns)
	}
	for row := range columns.Rows() {
		table := columns.Text(row, "Table")
		number, _ := columns.Int(row, "Number")
		if number != len(d.columns[table])+1 {
			return malformed("column %d of the table %q follows on %d", number, table, len(d.columns[table]))
		}
		kind, _ := columns.Int(row, "Type")
		c, err := d.column(columns.Text(row, "Name"), uint16(kind))
		if err != nil {
			return err
		}
		d.columns[table] = append(d.columns[table], c)
	}
	return nil
}

// Has reports whether the database lists a table of that name.
func (d *Database) Has(table string) bool { return d.tables[table] }

// Known reports whether a table's stream is one that the format itself needs.
func Known(table string) bool {
	switch table {
	case "_Tables", "_Columns", "_StringPool", "_StringData":
		return true
	}
	return false
}
