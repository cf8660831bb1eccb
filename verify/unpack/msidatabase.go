package unpack

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// msiDatabase is what the tables of an installer say about its streams.
type msiDatabase struct {
	*msidb.Database
	cabinets  map[string]bool             // that Media names, by name
	installed map[string]verify.Installed // files in cabinets, by key in lower case
	languages map[string]string           // of streams that are scripts: "js", "vbs"
	streams   map[string]bool             // that tables refer to
}

// database reads the tables of a storage; nil if they cannot be read, or are no tables: a transform's are changes to
// tables.
func (o *msiOpening) database(s *cfb.Entry, prefix string) (*msiDatabase, error) {
	if !hasTables(s) {
		if s.Kind == cfb.Root && s.CLSID == msidb.ClassPackage {
			o.say(verify.Invalid, "malformed", "", "The installer has no tables.")
		}
		return nil, nil
	}
	if s.CLSID == msidb.ClassTransform {
		o.say(verify.Valid, "transform", strings.TrimSuffix(prefix, "/"), "It holds changes to the tables of another installer; what they change is not looked into.")
		return nil, nil
	}
	d := &msiDatabase{cabinets: map[string]bool{}, installed: map[string]verify.Installed{}, languages: map[string]string{}}
	err := d.open(o, s, prefix)
	if errors.Is(err, msidb.ErrMalformed) {
		o.say(verify.Invalid, "malformed", strings.TrimSuffix(prefix, "/"), "The tables cannot be read: %s.", err)
		return nil, nil
	}
	return d, err
}

func hasTables(s *cfb.Entry) bool {
	for _, e := range s.Children {
		if n := msidb.DecodeName(e.Units); n.Table {
			return true
		}
	}
	return false
}

func (d *msiDatabase) open(o *msiOpening, s *cfb.Entry, prefix string) (err error) {
	if d.Database, err = msidb.Open(o.file, s); err != nil {
		return err
	}
	if d.streams, err = d.Streams(); err != nil {
		return err
	}
	media, err := d.Media()
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, e := range s.Children {
		if n := msidb.DecodeName(e.Units); !n.Table && e.Kind == cfb.Stream {
			present[n.Text] = true
		}
	}
	for _, m := range media {
		d.medium(o, m, present, prefix)
		for _, f := range m.Files {
			d.install(f)
		}
	}
	return nil
}

// install remembers what becomes of a file, whichever cabinet it turns out to lie in. Of two with the same key, large
// and small letters aside, one that is a script stays.
func (d *msiDatabase) install(f msidb.File) {
	key := strings.ToLower(f.Key)
	out := verify.Installed{Path: f.Path}
	for _, name := range f.Others {
		if isScript(name) && !isScript(f.Path) {
			out.Format = "script"
		}
	}
	if old, there := d.installed[key]; !there || !isScript(old.Path) && old.Format == "" {
		d.installed[key] = out
	}
}

// isScript reports whether a name alone makes a script of a file.
func isScript(name string) bool { return verify.Sniff(nil, name) == "script" }

// medium remembers a cabinet, and reports one that is not there.
func (d *msiDatabase) medium(o *msiOpening, m msidb.Medium, present map[string]bool, prefix string) {
	switch {
	case m.Cabinet == "" && len(m.Files) > 0:
		o.say(verify.Inconclusive, "external-files", prefix+m.Files[0].Path, "%d files, this one the first of them, lie beside the installer and not in it: what they are is not known.", len(m.Files))
	case m.Cabinet == "":
	case !m.Embedded:
		o.say(verify.Inconclusive, "external-cabinet", prefix+m.Cabinet, "The cabinet with %d files lies beside the installer and not in it: what is inside is not known.", len(m.Files))
	case !present[m.Cabinet]:
		o.say(verify.Inconclusive, "missing-cabinet", prefix+m.Cabinet, "The cabinet with %d files should be in the installer, and is not.", len(m.Files))
	default:
		d.cabinets[m.Cabinet] = true
	}
}

// scripts offers the scripts that are text in the tables, and remembers which streams are scripts.
func (o *msiOpening) scripts(d *msiDatabase, prefix string) error {
	actions, err := d.Scripts()
	if errors.Is(err, msidb.ErrMalformed) {
		o.say(verify.Invalid, "malformed", strings.TrimSuffix(prefix, "/"), "The custom actions cannot be read: %s.", err)
		return nil
	}
	if err != nil {
		return err
	}
	for _, a := range actions {
		switch {
		case a.Stream != "":
			d.languages[a.Stream] = a.Language
		case a.File != "":
			if f, ok := d.installed[strings.ToLower(a.File)]; ok {
				f.Format = "script"
				d.installed[strings.ToLower(a.File)] = f
			}
		}
		name := fmt.Sprintf("%sCustomAction.%s.%s", prefix, readable(a.Name), a.Language)
		if a.Setting != "" {
			o.say(verify.Inconclusive, "not-looked-into", name, "The script is what the property %q holds when it runs, which the installer does not say.", a.Setting)
		}
		if a.Text == "" {
			continue
		}
		e := verify.Entry{Name: name, Format: "script", Size: int64(len(a.Text)), Content: strings.NewReader(a.Text)}
		if err := o.inside.Offer(e); err != nil {
			return err
		}
	}
	return nil
}

// offered completes an entry by what the tables say of the stream.
func (d *msiDatabase) offered(o *msiOpening, stream string, e *verify.Entry) {
	cabinet := d.cabinets[stream]
	if cabinet {
		e.Names = d.installed
	}
	if language := d.languages[stream]; language != "" {
		e.Format = "script"
		if !strings.HasSuffix(strings.ToLower(e.Name), "."+language) {
			e.Name += "." + language
		}
	}
	if strings.HasPrefix(stream, "Icon.") && isIcon(e) {
		e.Name += ".ico"
	}
	if !cabinet && !d.streams[stream] && !strings.HasPrefix(stream, "\x05") {
		o.say(verify.Valid, "unlisted-stream", e.Name, "No table of the installer refers to this stream of %d bytes.", e.Size)
	}
}

// isIcon reports whether an entry begins as a file of pictures does. Installers call theirs .exe, by which nothing is
// told.
func isIcon(e *verify.Entry) bool {
	var b [6]byte
	n, _ := e.Content.ReadAt(b[:], 0)
	return n == len(b) && string(b[:4]) == "\x00\x00\x01\x00" && (b[4] != 0 || b[5] != 0)
}
