package reputation

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/sallyport-project/sallyport/verify"
)

// Feed says where one list comes from, how it is read, and when it is too old. Name and either File or URL are needed.
type Feed struct {
	Name string // of a-z, 0-9, dot, dash and underscore
	File string // path of a file, which is looked at every Refresh
	URL  string // https; http only with SHA256
	Reading
	Header http.Header // sent to URL's host and to no other; such as Auth-Key

	Refresh time.Duration // how often it is asked for; 0 is 200 ms for a file and 1 h for a URL, of which less than 1 min counts as 1 min
	Timeout time.Duration // for one answer from a URL, as a whole; 0 is 10 min
	MaxSize int64         // bytes, as it comes; 0 is 256 MiB

	// SHA256, if set, is the digest of the only list that is taken. SHA256URL is where the digest of the present list is to be
	// had, as sha256sum writes it; it may be relative to URL.
	SHA256    verify.Digest
	SHA256URL string

	// MaxStale is how long ago the last success may be before the list counts as stale: 0 is never. A file succeeds
	// whenever it is there and is what was read; a server when it gives a list that is taken, or says that it is unchanged.
	MaxStale time.Duration
	// MaxAge is how old the date may be that the list gives itself, or else the server or the file system: 0 is any age.
	MaxAge time.Duration
	// MaxShrink is the share of its entries that a list of 1,000 entries or more may lose at once: 0 is 0.5, and 1 all. A list
	// that loses more is refused.
	MaxShrink float64
	// AllowEmpty takes a list without entries from a URL. From a file it is always taken.
	AllowEmpty bool
}

var feedName = regexp.MustCompile(`^[a-z0-9_][a-z0-9._-]{0,63}$`)

// Check says what is wrong with a feed's definition.
func (f *Feed) Check() error {
	switch {
	case !feedName.MatchString(f.Name):
		return fmt.Errorf("the name of a feed consists of at most 64 of a-z, 0-9, dot, dash and underscore, and does not begin with dot or dash: %q", f.Name)
	case (f.File == "") == (f.URL == ""):
		return fmt.Errorf("feed %s needs either a file or a URL", f.Name)
	case f.Refresh < 0 || f.Timeout < 0 || f.MaxSize < 0 || f.MaxStale < 0 || f.MaxAge < 0 || f.MaxShrink < 0 || f.MaxShrink > 1:
		return fmt.Errorf("feed %s: times and sizes are not negative, and max_shrink is from 0 to 1", f.Name)
	case f.SHA256URL != "" && f.URL == "":
		return fmt.Errorf("feed %s: only a list from a URL has a digest beside it", f.Name)
	}
	if err := f.Reading.check(); err != nil {
		return fmt.Errorf("feed %s: %w", f.Name, err)
	}
	if f.URL == "" {
		return nil
	}
	u, err := url.Parse(f.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("feed %s: %q is no https URL", f.Name, f.URL)
	}
	if u.Scheme == "http" && f.SHA256.IsZero() {
		return fmt.Errorf("feed %s: over plain http anybody on the way could take entries out of the list; use https, or give its sha256", f.Name)
	}
	if _, err := u.Parse(f.SHA256URL); err != nil {
		return fmt.Errorf("feed %s: %q is no URL", f.Name, f.SHA256URL)
	}
	return nil
}

func (f *Feed) refresh() time.Duration {
	switch {
	case f.Refresh > 0 && f.URL == "":
		return f.Refresh
	case f.Refresh > 0:
		return max(f.Refresh, time.Minute)
	case f.File != "":
		return 200 * time.Millisecond
	}
	return time.Hour
}

func (f *Feed) timeout() time.Duration {
	if f.Timeout == 0 {
		return 10 * time.Minute
	}
	return f.Timeout
}

func (f *Feed) maxSize() int64 {
	if f.MaxSize == 0 {
		return 256 << 20
	}
	return f.MaxSize
}

func (f *Feed) maxShrink() float64 {
	if f.MaxShrink == 0 {
		return 0.5
	}
	return f.MaxShrink
}

// definition identifies what a list that was kept was made from: kept under another definition, it is not used.
func (f *Feed) definition() verify.Digest {
	b, _ := json.Marshal([]any{f.File, f.URL, f.Format, f.Column, f.Values, f.Good, f.SHA256})
	return sha256.Sum256(b)
}

// smallList is how many entries a list needs for its shrinking to be watched.
const smallList = 1000

// acceptable judges a new list against the one before.
func (f *Feed) acceptable(old, new *Set) error {
	if new.Len() == 0 && f.URL != "" && !f.AllowEmpty {
		return refusef("it has no entries that are of use here")
	}
	if old == nil || old.Len() < smallList {
		return nil
	}
	if least := float64(old.Len()) * (1 - f.maxShrink()); float64(new.Len()) < least {
		return refusef("it went from %d entries to %d, a greater loss than %.0f %%", old.Len(), new.Len(), 100*f.maxShrink())
	}
	return nil
}
