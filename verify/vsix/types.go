package vsix

import (
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify/internal/xmldsig"
)

const nsTypes = "http://schemas.openxmlformats.org/package/2006/content-types"

// contentTypes is the content of [Content_Types].xml (ECMA-376 part 2, section 10.1.2.2).
type contentTypes struct {
	defaults  map[string]string // by extension, in lower case
	overrides map[string]string // by key of the part's name
}

// parseTypes reads the content types. No signature covers them, so they have nothing else in them, and each has one
// meaning only; what matters of them is compared with what the references say.
func parseTypes(b []byte) (*contentTypes, error) {
	d, err := xmldsig.Parse(b)
	if err != nil {
		return nil, err
	}
	if !d.Root.Is(nsTypes, "Types") || !d.Bare() {
		return nil, broken("it is no list of content types, or more than that")
	}
	list, err := d.Root.Structure()
	if err != nil {
		return nil, err
	}
	t := &contentTypes{defaults: map[string]string{}, overrides: map[string]string{}}
	for _, e := range list {
		into, name := t.defaults, lower(e.Value("Extension"))
		switch {
		case e.Is(nsTypes, "Default"):
			err = e.AttributesOnly("Extension", "ContentType")
		case e.Is(nsTypes, "Override"):
			into, name = t.overrides, key(e.Value("PartName"))
			err = e.AttributesOnly("PartName", "ContentType")
		default:
			err = broken("element %s", e.Local)
		}
		if err == nil && len(e.Elements()) > 0 {
			err = broken("an element in %s", e.Local)
		}
		if _, twice := into[name]; twice || name == "" {
			err = broken("the type of %q is there twice, or for nothing", name)
		}
		if err != nil {
			return nil, err
		}
		into[name] = e.Value("ContentType")
	}
	return t, nil
}

// of returns the content type of a part, "" if there is none.
func (t *contentTypes) of(name string) string {
	if own, ok := t.overrides[key(name)]; ok {
		return own
	}
	return t.defaults[lower(strings.TrimPrefix(path.Ext(name), "."))]
}
