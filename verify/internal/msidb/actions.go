package msidb

// Action is a row of the table CustomAction that runs a script.
type Action struct {
	Name     string
	Language string // "js" or "vbs"
	Stream   string // the name of the stream that holds the script; "" if Text does
	Text     string
	File     string // the key of the installed file that is the script; "" if it is none
	Setting  string // the property that holds the script, where nothing in the database says what it holds; "" otherwise
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

	setsProperty = 0x33 // what and from where, of an action that gives a property a value
)

// Scripts returns the custom actions that are scripts.
func (d *Database) Scripts() ([]Action, error) {
	t, err := d.optional("CustomAction")
	if t == nil {
		return nil, err
	}
	settings, err := d.settings(t)
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
			out = append(out, a.from(source, settings[source])...)
		}
		if kind&actionFrom != fromSetting {
			out = append(out, a)
		}
		if len(out) > maxScripts {
			return nil, malformed("more than %d scripts in custom actions", maxScripts)
		}
	}
	return out, nil
}

// from returns the action once for each text that its property may hold.
func (a Action) from(property string, texts []string) (out []Action) {
	for _, a.Text = range texts {
		out = append(out, a)
	}
	if len(texts) == 0 {
		a.Setting = property
		out = append(out, a)
	}
	return out
}

// settings returns what properties may hold: their values in the table Property and those that actions give them.
func (d *Database) settings(actions *Table) (map[string][]string, error) {
	properties, err := d.Properties()
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for name, value := range properties {
		out[name] = []string{value}
	}
	source, target := actions.index("Source"), actions.index("Target")
	if source < 0 || target < 0 {
		return out, nil
	}
	seen := map[[2]uint32]bool{} // by number: the texts may be long
	for row := range actions.Rows() {
		set := [2]uint32{actions.raw(row, source), actions.raw(row, target)}
		if kind, _ := actions.Int(row, "Type"); kind&(actionWhat|actionFrom|0x08) != setsProperty || seen[set] {
			continue
		}
		seen[set] = true
		name := actions.Text(row, "Source")
		if out[name] = append(out[name], actions.Text(row, "Target")); len(out[name]) > maxSettings {
			return nil, malformed("more than %d actions that set the property %q", maxSettings, name)
		}
	}
	return out, nil
}

const (
	maxSettings = 256     // of one property
	maxScripts  = 1 << 16 // each with each of its texts
)

const maxName = 256 // bytes; a stream's name has 62 characters at most

// Streams returns the names of the streams that are there and that tables refer to: those of their binary columns,
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
			if d.others[name] {
				names[name] = true
			}
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
