package policy

import (
	"slices"

	"github.com/sallyport-project/sallyport/verify"
)

// Compare tells what is different between an update and the release of the same product that was let through before it, by what is
// known of both. Paths that hold a version are matched by what else they hold. Of a release that was not looked into, and of one that
// was judged before installers' actions and programs' imports were noted, only what is known is compared.
func Compare(channel string, against PastRelease, before, after verify.Report) Changes {
	c := Changes{
		Channel: channel, Against: against,
		Size:    [2]int64{before.Size, after.Size},
		Signers: [2][]string{Publishers(before), Publishers(after)},
		Opened:  before.Contents != nil && after.Contents != nil,
	}
	x := &comparison{before: release(before), after: release(after), facts: before.Size > 0}
	x.whole()
	if c.Opened {
		c.Partly = before.Contents.Unread > 0 || after.Contents.Unread > 0
		x.files()
	}
	c.list(&x.out)
	return c
}

// oneRelease is what is known of a release.
type oneRelease struct {
	report verify.Report
	seals  map[string]*seal
	inner  []*verify.Inner // files, without containers whose own files are among them
	all    map[verify.Format]int
	signed map[verify.Format]int // executables that somebody signed
}

func release(r verify.Report) *oneRelease {
	o := &oneRelease{report: r, seals: seals(r.Findings), all: map[verify.Format]int{}, signed: map[verify.Format]int{}}
	if r.Contents != nil {
		o.inner = leaves(r.Contents.Inner)
	}
	for _, in := range o.inner {
		if in.Format.Executable() {
			o.all[in.Format]++
			if o.seal(in.Path).signed() {
				o.signed[in.Format]++
			}
		}
	}
	return o
}

// factsLeftOut reports whether there was not room for all that was known of its files.
func (o *oneRelease) factsLeftOut() bool {
	return slices.ContainsFunc(o.inner, func(in *verify.Inner) bool { return in.Facts[verify.FactsLeftOut] != "" })
}

func (o *oneRelease) seal(path string) *seal {
	if s := o.seals[path]; s != nil {
		return s
	}
	return &seal{}
}

// leaves leaves out containers that were opened: what changes in them changes in their files.
func leaves(all []verify.Inner) []*verify.Inner {
	opened := map[string]bool{} // by the path of a container
	for i := range all {
		if all[i].Format.Container() {
			opened[all[i].Path] = false
		}
	}
	for i := range all {
		for at, c := range all[i].Path {
			if c != '/' {
				continue
			}
			if _, container := opened[all[i].Path[:at]]; container {
				opened[all[i].Path[:at]] = true
			}
		}
	}
	var out []*verify.Inner
	for i := range all {
		if in := &all[i]; !opened[in.Path] || in.Format.Executable() {
			out = append(out, in)
		}
	}
	return out
}

// comparison is two releases while they are compared.
type comparison struct {
	before, after *oneRelease
	facts         bool // of the one before it is known what it loads and runs
	out           ChangedFiles
}

// whole compares what is said of the updates themselves.
func (x *comparison) whole() {
	before, after := x.before.seal(""), x.after.seal("")
	file := ChangedFile{Size: [2]int64{x.before.report.Size, x.after.report.Size}}
	if before.signed() && !after.signed() {
		x.out.Unsigned = append(x.out.Unsigned, file.with(before.lost(after)))
	}
	x.told(file, x.before.report.Facts, x.after.report.Facts)
}

// files compares the files inside.
func (x *comparison) files() {
	pairs, added, removed := matchFiles(x.before.inner, x.after.inner)
	for _, p := range pairs {
		x.pair(p)
	}
	gone := map[verify.Digest]string{}
	for _, in := range removed {
		gone[in.SHA256] = in.Path
		x.out.Removed = append(x.out.Removed, changed(in, nil))
	}
	for _, in := range added {
		f := changed(nil, in)
		if from, moved := gone[in.SHA256]; moved {
			f.Notes = append(f.Notes, sameBytes+from+" had")
		} else if len(x.before.signed) > 0 && in.Format.Executable() && !x.after.seal(in.Path).signed() {
			f.Notes = append(f.Notes, notSigned)
		}
		x.out.Added = append(x.out.Added, f)
		x.newcomer(in)
	}
}

// sameBytes begins what is noted of a file that has moved.
const sameBytes = "the same bytes as "

// notSigned is noted of a new program without a valid signature, where other programs have one.
const notSigned = "not signed"

func changed(before, after *verify.Inner) (f ChangedFile) {
	if before != nil {
		f.Path, f.Format, f.Size[0] = before.Path, before.Format, before.Size
	}
	if after != nil {
		f.Path, f.Format, f.Size[1] = after.Path, after.Format, after.Size
	}
	return f
}

func (f ChangedFile) with(notes ...string) ChangedFile {
	f.Notes = append(slices.Clip(f.Notes), notes...)
	return f
}

// pair compares a file with what it was.
func (x *comparison) pair(p [2]*verify.Inner) {
	before, after := x.before.seal(p[0].Path), x.after.seal(p[1].Path)
	f := changed(p[0], p[1])
	switch {
	case before.signed() && !after.signed():
		x.out.Unsigned = append(x.out.Unsigned, f.with(before.lost(after)))
	case before.signed() && after.signed() && !shares(before.by, after.by):
		x.out.Resigned = append(x.out.Resigned, f.with("by "+publisherNames(after.by)+", before by "+publisherNames(before.by)))
	}
	if p[0].SHA256 == p[1].SHA256 {
		return
	}
	x.out.Changed = append(x.out.Changed, f.with(before.news(after)...))
	x.told(f, p[0].Facts, p[1].Facts)
}

// newcomer looks at a file that was not there: one that nobody signed among files that all are signed, and one that runs when it is
// installed.
func (x *comparison) newcomer(in *verify.Inner) {
	f := changed(nil, in)
	if n := x.before.all[in.Format]; n > 0 && n == x.before.signed[in.Format] && !x.after.seal(in.Path).signed() {
		note := "new, and not signed, as every file of its kind was"
		if wrong := x.after.seal(in.Path).wrong; wrong != "" {
			note = "new, and its signature is wrong (" + wrong + "), where every file of its kind was signed"
		}
		x.out.Unsigned = append(x.out.Unsigned, f.with(note))
	}
	x.told(ChangedFile{Path: in.Path, Format: in.Format}, nil, onlyActions(in.Facts))
}

func shares(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}
