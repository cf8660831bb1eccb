package unpack

import (
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// linkText makes an entry of a symbolic link whose target is stored as the content of a file. Whoever unpacks it on
// Windows, or does not know of links, gets that file: where it would be one that a system runs or opens, it is offered
// as one.
func linkText(name, target string) verify.Entry {
	if target == "" || verify.Sniff([]byte(target), "") != "" || isScript(name) {
		return verify.Entry{Name: name, Size: int64(len(target)), Content: strings.NewReader(target)}
	}
	return verify.Entry{Name: name, Link: target}
}
