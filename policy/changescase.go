package policy

import "strings"

// changesCaseShape is the key `changes` of a test.
func changesCaseShape() *shape {
	paths := func() *shape { return listOf(value(aText), 1) }
	return &shape{what: "changes", keys: []key{
		{"opened", "Whether both releases could be looked into; true if left out.", false, value(aBoolean)},
		{"against", "What the release before was called.", false, value(aText)},
		{"size_before", "How large it was, such as 500MB.", false, value(aSize)},
		{"signers_before", "Who had signed it, as reasons name them.", false, paths()},
		{"added", "Files that are new.", false, paths()},
		{"removed", "Files that are not there any more.", false, paths()},
		{"changed", "Files with other bytes.", false, paths()},
		{"unsigned", "Files that are signed no longer.", false, paths()},
		{"resigned", "Files that are signed by somebody else.", false, paths()},
		{"imports", "What programs load and did not, such as app.exe: winhttp.dll.", false, paths()},
		{"actions", "What runs when it is installed, such as postinstall (new): node x.js.", false, paths()},
	}}
}

// testChanges reads what a test says of the release before.
func testChanges(n node) *Changes {
	if !n.present() {
		return nil
	}
	c := &Changes{Opened: n.get("opened").text() != "false"}
	c.Against.Name = n.get("against").text()
	c.Size[0], _ = parseSize(n.get("size_before").text())
	c.Signers[0] = n.get("signers_before").texts()
	files := func(key string) (out []ChangedFile) {
		for _, path := range n.get(key).texts() {
			out = append(out, ChangedFile{Path: path})
		}
		return out
	}
	all := ChangedFiles{Added: files("added"), Removed: files("removed"), Changed: files("changed"), Unsigned: files("unsigned"),
		Resigned: files("resigned"), Actions: n.get("actions").texts()}
	for _, text := range n.get("imports").texts() {
		path, what := "", text
		if at := strings.LastIndex(text, ": "); at >= 0 {
			path, what = text[:at], text[at+2:]
		}
		all.Imports = append(all.Imports, ChangedFile{Path: path, Notes: []string{what}})
	}
	c.list(&all)
	return c
}

// compared puts what a test says of the release before to each channel that judges.
func (t *test) compared(f *Facts) {
	if t.changes == nil {
		return
	}
	for _, ed := range f.History.Editions {
		c := *t.changes
		c.Channel, c.Signers[1] = ed.Channel, Publishers(f.Report)
		c.Size[1] = f.Update.Size
		f.Changes = append(f.Changes, c)
	}
}
