package msidb

import (
	"encoding/binary"
	"slices"
)

// Table is the content of a table. Its values stand column by column.
type Table struct {
	Columns []Column
	rows    int
	starts  []int // where each column begins, in bytes
	data    []byte
	strings *pool
}

// Table reads a table. One that is listed and has no stream is empty.
func (d *Database) Table(name string) (*Table, error) {
	columns := d.columns[name]
	if !d.tables[name] {
		return nil, ErrNoTable
	}
	if len(columns) == 0 {
		return nil, malformed("the table %q has no columns", name)
	}
	return d.load(name, columns)
}

func (d *Database) load(name string, columns []Column) (*Table, error) {
	data, err := d.read(name)
	if err != nil {
		return nil, err
	}
	width := 0
	for _, c := range columns {
		width += c.size
	}
	if len(data)%width != 0 {
		return nil, malformed("the table %q has %d bytes, which are no rows of %d", name, len(data), width)
	}
	if len(data)/width > maxRows {
		return nil, malformed("the table %q has %d rows, more than %d", name, len(data)/width, maxRows)
	}
	t := &Table{Columns: columns, rows: len(data) / width, data: data, strings: &d.strings}
	at := 0
	for _, c := range columns {
		t.starts = append(t.starts, at)
		at += c.size * t.rows
	}
	return t, t.check(name)
}

// check demands that every string that the table refers to exists.
func (t *Table) check(name string) error {
	for i, c := range t.Columns {
		if !c.Text() {
			continue
		}
		for row := range t.rows {
			if n := t.raw(row, i); int64(n) >= int64(len(t.strings.ends)) {
				return malformed("row %d of the table %q refers to string %d of %d", row+1, name, n, len(t.strings.ends))
			}
		}
	}
	return nil
}

// Rows returns the number of rows.
func (t *Table) Rows() int { return t.rows }

// raw returns a value as it stands in the file.
func (t *Table) raw(row, column int) uint32 {
	size := t.Columns[column].size
	b := t.data[t.starts[column]+row*size:]
	switch size {
	case 2:
		return uint32(binary.LittleEndian.Uint16(b))
	case 3:
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return binary.LittleEndian.Uint32(b)
}

func (t *Table) index(column string) int {
	return slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == column })
}

// Text returns the string in a column; "" where it is null or where the table has no such column of strings.
func (t *Table) Text(row int, column string) string {
	i := t.index(column)
	if i < 0 || !t.Columns[i].Text() {
		return ""
	}
	return t.strings.text(t.raw(row, i))
}

// Int returns the number in a column, and whether there is one.
func (t *Table) Int(row int, column string) (int, bool) {
	i := t.index(column)
	if i < 0 || t.Columns[i].Text() || t.Columns[i].Binary() {
		return 0, false
	}
	n := t.raw(row, i)
	switch {
	case n == 0:
		return 0, false
	case t.Columns[i].size == 2:
		return int(n) - 0x8000, true
	}
	return int(int64(n) - 0x80000000), true
}

// Key returns the values of a row's primary key, as the name of a stream of this row has them after the table's name.
func (t *Table) Key(row int) []string {
	var out []string
	for i, c := range t.Columns {
		switch {
		case !c.Key():
		case c.Text():
			out = append(out, t.strings.text(t.raw(row, i)))
		default:
			n, _ := t.Int(row, c.Name)
			out = append(out, itoa(n))
		}
	}
	return out
}
