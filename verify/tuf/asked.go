package tuf

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// alsoAsked returns what was found about the target at a path, unless a client that redirects led there has asked for another
// target, which this file is not: whoever serves the files would have one target, an older release say, take the place of
// another. What was asked for and is no target, such as the address of the latest release, says nothing. With nothing found, because
// the file lies where no targets are (path is ""), it is the target that was asked for last.
func (s *session) alsoAsked(anchor *verify.TUFAnchor, path string, found []verify.Finding) ([]verify.Finding, error) {
	looked := map[string]bool{path: true}
	for _, u := range s.artifact.Asked {
		asked, ok := targetPath(anchor.Targets, asFor(anchor.Targets, u))
		if !ok || looked[asked] {
			continue
		}
		looked[asked] = true
		as, err := s.target(anchor, asked)
		if err != nil {
			return nil, err
		}
		switch f := as[0]; {
		case f.Status != verify.Valid && f.Status != verify.Absent:
			f.Detail = fmt.Sprintf("the file was asked for as %s, and redirects led elsewhere: %s", shortened(asked), f.Detail)
			return []verify.Finding{f}, nil
		case path == "":
			found = as
		}
	}
	return found, nil
}

// asFor returns u with the scheme of base: what is asked for without TLS is the same target, and whoever is on the way answers with
// any redirect instead of the one to https that is expected.
func asFor(base string, u *url.URL) *url.URL {
	b, err := url.Parse(base)
	if err != nil || strings.EqualFold(b.Scheme, u.Scheme) {
		return u
	}
	same := *u
	same.Scheme = b.Scheme
	if port := u.Port(); port == "80" && strings.EqualFold(u.Scheme, "http") || port == "443" && strings.EqualFold(u.Scheme, "https") {
		same.Host = strings.TrimSuffix(u.Host, ":"+port)
	}
	return &same
}
