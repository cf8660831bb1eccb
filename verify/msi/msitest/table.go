package msitest

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// Types of columns, as they stand in _Columns: the low byte is the size, the rest says text, number, key, nullable.
const (
	key    = 0x2000
	null   = 0x1000
	text   = 0x0d00
	local  = 0x0f00
	short  = 0x0502
	long   = 0x0104
	stream = 0x0900
)

// column is a column of a table.
type column struct {
	name string
	kind uint16
}

// table is a table in the making. Values are string, int, or nil for null; of a stream column true.
type table struct {
	name    string
	columns []column
	rows    [][]any
}

// database collects tables and their strings.
type database struct {
	numbers map[string]uint32
	strings []string
	uses    []int
	tables  []*table
}

// encode returns the nodes of all tables' streams. References to strings have two bytes.
func (d *database) encode() []*Node {
	d.numbers = map[string]uint32{}
	list := &table{name: "_Tables", columns: []column{{"Name", key | text | 64}}}
	columns := &table{name: "_Columns", columns: []column{{"Table", key | text | 64}, {"Number", key | short}, {"Name", text | 64}, {"Type", short}}}
	for _, t := range d.tables {
		list.rows = append(list.rows, []any{t.name})
		for i, c := range t.columns {
			columns.rows = append(columns.rows, []any{t.name, i + 1, c.name, int(c.kind)})
		}
	}
	var out []*Node
	for _, t := range append(slices.Clone(d.tables), list, columns) {
		if b := d.rows(t); len(b) > 0 {
			out = append(out, Stream(tableName(t.name), b))
		}
	}
	pool := binary.LittleEndian.AppendUint32(nil, 65001)
	var data []byte
	for i, s := range d.strings {
		if len(s) >= 1<<16 {
			pool = binary.LittleEndian.AppendUint16(pool, 0)
			pool = binary.LittleEndian.AppendUint16(pool, uint16(d.uses[i]))
			pool = binary.LittleEndian.AppendUint32(pool, uint32(len(s)))
		} else {
			pool = binary.LittleEndian.AppendUint16(pool, uint16(len(s)))
			pool = binary.LittleEndian.AppendUint16(pool, uint16(d.uses[i]))
		}
		data = append(data, s...)
	}
	return append(out, Stream(tableName("_StringPool"), pool), Stream(tableName("_StringData"), data))
}

func tableName(name string) string { return packed(name, true) }

// packed returns a stream's name as Windows Installer packs it.
func packed(name string, isTable bool) string {
	var out []rune
	for _, u := range msidb.EncodeName(name, isTable) {
		out = append(out, rune(u))
	}
	return string(out)
}

// rows returns a table's bytes, column by column, its rows in the order of their keys.
func (d *database) rows(t *table) []byte {
	var rows [][]uint32
	for _, values := range t.rows {
		if len(values) != len(t.columns) {
			panic(fmt.Sprintf("msitest: a row of %d values in the table %s", len(values), t.name))
		}
		var row []uint32
		for i, v := range values {
			row = append(row, d.value(v, t.columns[i]))
		}
		rows = append(rows, row)
	}
	slices.SortStableFunc(rows, func(a, b []uint32) int {
		for i, c := range t.columns {
			if order := cmp.Compare(a[i], b[i]); c.kind&key != 0 && order != 0 {
				return order
			}
		}
		return 0
	})
	var out []byte
	for i, c := range t.columns {
		for _, row := range rows {
			if c.kind&^null == long {
				out = binary.LittleEndian.AppendUint32(out, row[i])
			} else {
				out = binary.LittleEndian.AppendUint16(out, uint16(row[i]))
			}
		}
	}
	return out
}

// value returns a value as it stands in a table. Numbers are shifted by half their range, so that 0 is null.
func (d *database) value(v any, c column) uint32 {
	switch v := v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case int:
		if c.kind&^null == long {
			return uint32(v) + 0x80000000
		}
		return uint32(uint16(v) + 0x8000)
	case string:
		if v == "" {
			return 0
		}
		n, ok := d.numbers[v]
		if !ok {
			d.strings, d.uses = append(d.strings, v), append(d.uses, 0)
			n = uint32(len(d.strings))
			if n >= 1<<16 {
				panic("msitest: more strings than references of two bytes can tell apart")
			}
			d.numbers[v] = n
		}
		d.uses[n-1] = min(d.uses[n-1]+1, 1<<16-1)
		return n
	}
	panic(fmt.Sprintf("msitest: a value of type %T", v))
}
