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
	cabinets  map[string]map[string]string // by name: what each file in it is installed as
	languages map[string]string            // of streams that are scripts: "js", "vbs"
	streams   map[string]bool              // that tables refer to
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
	d := &msiDatabase{cabinets: map[string]map[string]string{}, languages: map[string]string{}}
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
	}
	return nil
}

// medium remembers the names of the files in a cabinet, and reports one that is not there.
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
		names := d.cabinets[m.Cabinet]
		if names == nil {
			names = map[string]string{}
			d.cabinets[m.Cabinet] = names
		}
		for _, f := range m.Files {
			names[f.Key] = f.Path
		}
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
		if a.Stream != "" {
			d.languages[a.Stream] = a.Language
		}
		if a.Text == "" {
			continue
		}
		e := verify.Entry{Name: fmt.Sprintf("%sCustomAction.%s.%s", prefix, readable(a.Name), a.Language), Size: int64(len(a.Text)), Content: strings.NewReader(a.Text)}
		if err := o.inside.Offer(e); err != nil {
			return err
		}
	}
	return nil
}

// offered completes an entry by what the tables say of the stream.
func (d *msiDatabase) offered(o *msiOpening, stream string, e *verify.Entry) {
	names, cabinet := d.cabinets[stream]
	e.Names = names
	if language := d.languages[stream]; language != "" && !strings.HasSuffix(strings.ToLower(e.Name), "."+language) {
		e.Name += "." + language
	}
	if !cabinet && !d.streams[stream] && !strings.HasPrefix(stream, "\x05") {
		o.say(verify.Valid, "unlisted-stream", e.Name, "No table of the installer refers to this stream of %d bytes.", e.Size)
	}
}
