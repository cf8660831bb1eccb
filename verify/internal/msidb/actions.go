package msidb

// Action is a row of the table CustomAction that runs a script.
type Action struct {
	Name     string
	Language string // "js" or "vbs"
	Stream   string // the name of the stream that holds the script; "" if Text does
	Text     string
	File     string // the key of the installed file that is the script; "" if it is none
}

// Bits of an action's type that say what it runs, and from where.
const (
	actionWhat  = 0x07
	actionFrom  = 0x30
	whatJS      = 5
	whatVBS     = 6
	fromBinary  = 0x00
	fromFile    = 0x10
	fromText    = 0x20
	fromSetting = 0x30
)

// Scripts returns the custom actions that are scripts.
func (d *Database) Scripts() ([]Action, error) {
	t, err := d.optional("CustomAction")
	if t == nil {
		return nil, err
	}
	properties, err := d.Properties()
	if err != nil {
		return nil, err
	}
	var out []Action
	for row := range t.Rows() {
		kind, _ := t.Int(row, "Type")
		a := Action{Name: t.Text(row, "Action")}
		switch kind & actionWhat {
		case whatJS:
			a.Language = "js"
		case whatVBS:
			a.Language = "vbs"
		default:
			continue
		}
		if kind&0x08 != 0 {
			continue
		}
		source := t.Text(row, "Source")
		switch kind & actionFrom {
		case fromBinary:
			a.Stream = "Binary." + source
		case fromFile:
			a.File = source
		case fromText:
			a.Text = t.Text(row, "Target")
		case fromSetting:
			a.Text = properties[source]
		}
		out = append(out, a)
	}
	return out, nil
}

const maxName = 256 // bytes; a stream's name has 62 characters at most

// Streams returns the names of the streams that tables refer to: those of their binary columns,
// called after the table and the row's key.
func (d *Database) Streams() (names map[string]bool, err error) {
	names = map[string]bool{}
	for table := range d.tables {
		columns := d.columns[table]
		if !hasBinary(columns) {
			continue
		}
		t, err := d.Table(table)
		if err != nil {
			return nil, err
		}
		for row := range t.Rows() {
			name := table
			for _, k := range t.Key(row) {
				if len(name)+len(k) > maxName {
					break // no stream can be called so
				}
				name += "." + k
			}
			names[name] = true
		}
	}
	return names, nil
}

func hasBinary(columns []Column) bool {
	for _, c := range columns {
		if c.Binary() {
			return true
		}
	}
	return false
}
