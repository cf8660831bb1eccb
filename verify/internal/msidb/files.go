package msidb

import (
	"errors"
	"path"
	"slices"
	"sort"
	"strings"
)

// Medium is a row of the table Media: a cabinet, or a disk with loose files.
type Medium struct {
	Cabinet  string // its name; "" for loose files
	Embedded bool   // the cabinet is a stream of the installer
	Files    []File
}

// File is a row of the table File.
type File struct {
	Key  string // its name in a cabinet
	Path string // as installed: "ProgramFilesFolder/Vendor/program.exe"
	// Others are the names, without a folder, that it may get as well, and that end otherwise: the short one, and those of
	// its copies.
	Others []string
}

// maxFolders bounds how deep a folder may lie.
const maxFolders = 64

// Media returns the installer's media in the order of their files, each with those that it holds. Files beyond the last
// medium are returned as those of a medium without a name.
func (d *Database) Media() ([]Medium, error) {
	media, lasts, err := d.media()
	if err != nil {
		return nil, err
	}
	files, sequences, err := d.files()
	if err != nil {
		return nil, err
	}
	order := make([]int, len(files))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(i, j int) bool { return sequences[order[i]] < sequences[order[j]] })
	at := 0
	for _, i := range order {
		for at < len(media) && sequences[i] > lasts[at] {
			at++
		}
		if at == len(media) {
			media, lasts = append(media, Medium{}), append(lasts, int(^uint(0)>>1))
		}
		media[at].Files = append(media[at].Files, files[i])
	}
	return media, nil
}

// media reads the table Media, sorted by the last file's number.
func (d *Database) media() ([]Medium, []int, error) {
	t, err := d.optional("Media")
	if t == nil {
		return nil, nil, err
	}
	type medium struct {
		Medium
		last int
	}
	var all []medium
	for row := range t.Rows() {
		m := medium{}
		m.last, _ = t.Int(row, "LastSequence")
		m.Cabinet, m.Embedded = strings.CutPrefix(t.Text(row, "Cabinet"), "#")
		all = append(all, m)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].last < all[j].last })
	media, lasts := make([]Medium, len(all)), make([]int, len(all))
	for i, m := range all {
		media[i], lasts[i] = m.Medium, m.last
	}
	return media, lasts, nil
}

// optional returns a table, or nil where the database has none of that name.
func (d *Database) optional(name string) (*Table, error) {
	t, err := d.Table(name)
	if errors.Is(err, ErrNoTable) {
		return nil, nil
	}
	return t, err
}

// files reads the table File, and where each file is to be installed.
func (d *Database) files() ([]File, []int, error) {
	t, err := d.optional("File")
	if t == nil {
		return nil, nil, err
	}
	folders, err := d.folders()
	if err != nil {
		return nil, nil, err
	}
	components := map[string]string{}
	c, err := d.optional("Component")
	if err != nil {
		return nil, nil, err
	}
	if c != nil {
		for row := range c.Rows() {
			components[c.Text(row, "Component")] = c.Text(row, "Directory_")
		}
	}
	copies, err := d.copies()
	if err != nil {
		return nil, nil, err
	}
	var files []File
	var sequences []int
	taken := map[string]bool{}
	total := 0
	for row := range t.Rows() {
		f := File{Key: t.Text(row, "File")}
		f.Path = f.Key
		if total < maxPaths {
			short, name := both(t.Text(row, "FileName"))
			f.Path = distinct(taken, folders.path(components[t.Text(row, "Component_")]), name, f.Key)
			f.Others = otherwise(name, append([]string{short}, copies[f.Key]...))
			total += len(f.Path)
		}
		sequence, _ := t.Int(row, "Sequence")
		files, sequences = append(files, f), append(sequences, sequence)
	}
	return files, sequences, nil
}

// Limits of paths, in bytes. A file whose path is longer, or that comes after so many others, is called by its key.
const (
	maxPath  = 1024
	maxPaths = 32 << 20 // all together
)

// distinct returns a path that no other file has: of two files for the same place only one is installed, on one kind of
// system, so that both are looked into.
func distinct(taken map[string]bool, folder, name, key string) string {
	if len(folder)+len(name)+len(key) > maxPath {
		return key
	}
	p := name
	if folder != "" {
		p = folder + "/" + name
	}
	if low := strings.ToLower(p); taken[low] {
		ext := path.Ext(name)
		p = strings.TrimSuffix(p, ext) + " [" + key + "]" + ext
	}
	taken[strings.ToLower(p)] = true
	return p
}

// both returns the two names of "short|long", or twice the only one. Windows Installer takes the short one where the
// property SHORTFILENAMES is set, or the disk knows no other.
func both(name string) (short, long string) {
	short, long, two := strings.Cut(name, "|")
	if !two {
		long = short
	}
	return short, long
}

// otherwise returns those of a file's other names that do not end as its own does.
func otherwise(name string, others []string) (out []string) {
	for _, o := range others {
		if !strings.EqualFold(path.Ext(o), path.Ext(name)) {
			out = append(out, o)
		}
	}
	return out
}

// maxCopies is how many rows of the table DuplicateFile may be about one file.
const maxCopies = 64

// copies reads the table DuplicateFile: what else files are called, by key.
func (d *Database) copies() (map[string][]string, error) {
	t, err := d.optional("DuplicateFile")
	if t == nil {
		return nil, err
	}
	out := map[string][]string{}
	for row := range t.Rows() {
		key, name := t.Text(row, "File_"), t.Text(row, "DestName")
		if name == "" {
			continue
		}
		short, long := both(name)
		if out[key] = append(out[key], long, short); len(out[key]) > 2*maxCopies {
			return nil, malformed("more than %d copies of the file %q", maxCopies, key)
		}
	}
	return out, nil
}

// folders is the table Directory.
type folders struct {
	rows  map[string]folder
	paths map[string]string // that were put together already
	total int               // bytes of them
}

type folder struct{ parent, name string }

func (d *Database) folders() (*folders, error) {
	f := &folders{rows: map[string]folder{}, paths: map[string]string{}}
	t, err := d.optional("Directory")
	if t == nil {
		return f, err
	}
	for row := range t.Rows() {
		// The name is "target", or "target:source" where the two differ.
		target, _, _ := strings.Cut(t.Text(row, "DefaultDir"), ":")
		key := t.Text(row, "Directory")
		_, name := both(target)
		f.rows[key] = folder{parent: t.Text(row, "Directory_Parent"), name: name}
	}
	return f, nil
}

// path returns where a folder lies. Folders of the system, such as ProgramFilesFolder, are called by their key; the
// root of the installation has no name.
func (f *folders) path(key string) string {
	if p, ok := f.paths[key]; ok {
		return p
	}
	if f.total > maxPaths {
		return ""
	}
	var parts []string
	size := 0
	at := key
	for range maxFolders {
		row, ok := f.rows[at]
		if !ok || row.parent == "" || row.parent == at {
			break
		}
		name := row.name
		if f.system(at, row) {
			name = at
		}
		if size += len(name) + 1; size > maxPath {
			break
		}
		if name != "." && name != "" {
			parts = append(parts, name)
		}
		at = row.parent
	}
	slices.Reverse(parts)
	p := strings.Join(parts, "/")
	f.total += len(p)
	f.paths[key] = p
	return p
}

// system reports whether Windows Installer sets a folder itself: it lies at the root and is called something like
// CommonFilesFolder, ProgramFiles64Folder or SystemFolder.
func (f *folders) system(key string, row folder) bool {
	parent, ok := f.rows[row.parent]
	return ok && (parent.parent == "" || parent.parent == row.parent) && strings.HasSuffix(key, "Folder")
}
