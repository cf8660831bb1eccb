package policy

import (
	"cel.dev/cel-go/common/types"

	"github.com/sallyport-project/sallyport/verify"
)

const (
	whenNotCompared = "nothing was let through before, or its report is gone"
	whenNotOpened   = "likewise, and where not everything in both could be looked into"
	whenMany        = "likewise, and where there are too many to list"
)

// changes is what is different from the release that was let through last on the channel that judges.
func (e *evaluation) changes() (*Changes, error) {
	past, why := e.before()
	if why != "" {
		return nil, unknown("%s", why)
	}
	for i := range e.facts.Changes {
		if c := &e.facts.Changes[i]; c.Channel == e.channel {
			return c, nil
		}
	}
	if len(past.Releases) == 0 {
		return nil, unknown("no release was let through before, so there is nothing to compare with")
	}
	return nil, unknown("what was known of the release before is gone, so the two cannot be compared")
}

// different is a fact about what is different.
func different(name string, typ *types.Type, doc string, get func(*Changes) any) fact {
	return fact{name, typ, doc, whenNotCompared, nil, func(o *object) (any, error) {
		c, err := o.in.changes()
		if err != nil {
			return nil, err
		}
		return get(c), nil
	}}
}

// inside says why it is not known what is different inside; nil if it is.
func (c *Changes) inside() error {
	switch {
	case !c.Opened:
		return unknown("this release and the one before were not both looked into")
	case c.Partly:
		return unknown("not everything in this release and the one before could be looked into")
	}
	return nil
}

// count is a number of files that are different.
func count(name, doc string, get func(*ChangedCounts) int) fact {
	return fact{name, types.IntType, doc, whenNotOpened, nil, func(o *object) (any, error) {
		c, err := o.in.changes()
		if err == nil {
			err = c.inside()
		}
		if err != nil {
			return nil, err
		}
		return int64(get(&c.Counts)), nil
	}}
}

// listOfChanges is a list of what is different, known if all of it is listed.
func listOfChanges(name, doc string, get func(*Changes) (list []string, of int)) fact {
	return fact{name, types.NewListType(types.StringType), doc, whenMany, nil, func(o *object) (any, error) {
		c, err := o.in.changes()
		if err == nil {
			err = c.inside()
		}
		if err != nil {
			return nil, err
		}
		list, of := get(c)
		if len(list) < of {
			return nil, unknown("%s are different, of which %d are listed", counted(of, "file"), len(list))
		}
		return some(list), nil
	}}
}

func pathsOf(files []ChangedFile) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Path
	}
	return out
}

// loaded says of each file what it loads or may do and did not: "ffmpeg.dll: winhttp.dll".
func loaded(files []ChangedFile) (out []string) {
	for _, f := range files {
		for _, n := range f.Notes {
			out = append(out, f.Path+": "+n)
		}
	}
	return out
}

// signersChanged reports whether nobody who signed the release before has signed this one.
func (o *object) signersChanged() (any, error) {
	c, err := o.in.changes()
	if err != nil {
		return nil, err
	}
	was, is := c.Signers[0], c.Signers[1]
	if shares(was, is) || len(was) == 0 && len(is) == 0 {
		return false, nil
	}
	for _, f := range o.in.about(false) {
		if f.Status == verify.Inconclusive {
			return nil, unknown("it could not be told who signed the update: %s", quoted([]*verify.Finding{f}))
		}
	}
	return true, nil
}

var changesFacts = newFactType("the changes",
	different("against", types.StringType, "the name of the file that is compared with", func(c *Changes) any { return c.Against.Name }),
	different("size_before", types.IntType, "its size in bytes", func(c *Changes) any { return c.Size[0] }),
	fact{"signers_changed", types.BoolType, "whether nobody who signed that has signed this", "likewise, and where it could not be told who signed", nil,
		func(o *object) (any, error) { return o.signersChanged() }},
	count("files_added", "files inside that are new. Paths that differ by numbers alone are the same file", func(c *ChangedCounts) int { return c.Added }),
	count("files_removed", "files that are not there any more", func(c *ChangedCounts) int { return c.Removed }),
	count("files_changed", "files with other bytes than before", func(c *ChangedCounts) int { return c.Changed }),
	count("newly_unsigned", "files, the update itself included, that were signed and are not any more, or are new and not signed where all of their kind were", func(c *ChangedCounts) int { return c.Unsigned }),
	count("resigned", "files that are signed by somebody else", func(c *ChangedCounts) int { return c.Resigned }),
	count("imports_added", "programs that load libraries, or have entitlements, that they did not", func(c *ChangedCounts) int { return c.Imports }),
	count("actions_added", "what runs when it is installed and did not, or runs otherwise", func(c *ChangedCounts) int { return c.Actions }),
	listOfChanges("added", "paths of the files that are new", func(c *Changes) ([]string, int) { return pathsOf(c.Files.Added), c.Counts.Added }),
	listOfChanges("unsigned", "paths of what is newly unsigned", func(c *Changes) ([]string, int) { return pathsOf(c.Files.Unsigned), c.Counts.Unsigned }),
	listOfChanges("imports", "what programs load or may do and did not: `ffmpeg.dll: winhttp.dll`", func(c *Changes) ([]string, int) {
		if len(c.Files.Imports) < c.Counts.Imports {
			return nil, c.Counts.Imports
		}
		return loaded(c.Files.Imports), 0
	}),
	listOfChanges("actions", "what runs when it is installed: `postinstall (new): node bundle.js`", func(c *Changes) ([]string, int) { return c.Files.Actions, c.Counts.Actions }),
)
