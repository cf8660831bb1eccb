package policy

import (
	"errors"
	"io/fs"
	"strings"
)

// The catalogue is a folder of fragments, one for each product: channels/NAME.yaml, with the files that these name. A policy
// takes a fragment by `use: [catalogue/NAME]`, and any of the files by `catalogue:` and its name.
const (
	cataloguePrefix     = "catalogue/" // of fragments, in `use`
	catalogueFilePrefix = "catalogue:" // of files, wherever a policy names one
)

// Option changes how a policy is read.
type Option func(*options)

type options struct{ catalogue fs.FS }

// WithCatalogue gives the catalogue that policies take fragments from. Without one a policy that uses it is refused.
func WithCatalogue(files fs.FS) Option { return func(o *options) { o.catalogue = files } }

func optionsOf(list []Option) options {
	var o options
	for _, set := range list {
		set(&o)
	}
	return o
}

// fileSystem returns where a file is that the policy names, and what it is called there.
func (b *builder) fileSystem(name string) (fs.FS, string, error) {
	files, within := b.files, name
	if inner, ok := strings.CutPrefix(name, catalogueFilePrefix); ok {
		if files, within = b.catalogue, inner; files == nil {
			return nil, "", errNoCatalogue
		}
		if !fs.ValidPath(within) {
			return nil, "", fs.ErrInvalid
		}
	}
	if files == nil {
		return nil, "", errors.New("there are no files beside this policy")
	}
	return files, within, nil
}

var errNoCatalogue = errors.New("there is no catalogue here")
