package msidb

// Program is a row of the table CustomAction that runs something, whether or not a sequence of the installer calls it.
type Program struct {
	Name   string
	Kind   string // "library", "program", "script" or "installer"
	From   string // where it comes from: "Binary", "File", "Directory", "Property", or "" for what stands in Target
	Source string // its key there
	Target string // a library's function, a program's command line, a script's text
	// System says that it runs as the system, and not as whoever installs.
	System bool
}

// maxPrograms bounds the custom actions that run something.
const maxPrograms = 1 << 12

// Kinds of actions besides scripts (Windows Installer, Summary List of All Custom Action Types).
const (
	whatLibrary   = 1
	whatProgram   = 2
	whatNested    = 7
	inScript      = 0x400 // deferred
	noImpersonate = 0x800
)

// Programs returns the custom actions that run something, in the order of the table.
func (d *Database) Programs() ([]Program, error) {
	t, err := d.optional("CustomAction")
	if t == nil {
		return nil, err
	}
	var out []Program
	for row := range t.Rows() {
		kind, _ := t.Int(row, "Type")
		p := Program{Name: t.Text(row, "Action"), Source: t.Text(row, "Source"), Target: t.Text(row, "Target"), System: kind&inScript != 0 && kind&noImpersonate != 0}
		switch kind & actionWhat {
		case whatLibrary:
			p.Kind = "library"
		case whatProgram:
			p.Kind = "program"
		case whatJS, whatVBS:
			p.Kind = "script"
		case whatNested:
			p.Kind = "installer"
		default:
			continue // sets a property or a folder, or shows a message
		}
		switch kind & actionFrom {
		case fromBinary:
			p.From = "Binary"
		case fromFile:
			p.From = "File"
		case fromText:
			if p.Kind == "program" {
				p.From = "Directory"
			}
		case fromSetting:
			p.From = "Property"
		}
		if out = append(out, p); len(out) > maxPrograms {
			return nil, malformed("more than %d custom actions", maxPrograms)
		}
	}
	return out, nil
}
