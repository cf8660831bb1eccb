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
	var files []File
	var sequences []int
	taken := map[string]bool{}
	total := 0
	for row := range t.Rows() {
		f := File{Key: t.Text(row, "File")}
		f.Path = f.Key
		if total < maxPaths {
			f.Path = distinct(taken, folders.path(components[t.Text(row, "Component_")]), long(t.Text(row, "FileName")), f.Key)
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

// long returns the long one of a name "short|long".
func long(name string) string {
	if _, after, ok := strings.Cut(name, "|"); ok {
		return after
	}
	return name
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
		f.rows[key] = folder{parent: t.Text(row, "Directory_Parent"), name: long(target)}
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
