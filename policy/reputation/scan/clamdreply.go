package scan

import (
	"errors"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// clamdClean is what clamd says of a file in which it finds nothing.
const clamdClean = "stream: OK"

// limitsExceeded is how the names begin that clamd gives to a file that it did not scan to the end (AlertExceedsMax).
const limitsExceeded = "Heuristics.Limits.Exceeded"

// maxName is how long the name of what was found may be, in characters.
const maxName = 160

// parseClamdReply reads the answer to INSTREAM: "stream: OK", "stream: NAME FOUND", or an error.
func parseClamdReply(s string) (name string, err error) {
	text, stream := strings.CutPrefix(s, "stream: ")
	found, isFound := strings.CutSuffix(text, " FOUND")
	switch {
	case s == clamdClean:
		return "", nil
	case stream && isFound && strings.HasPrefix(found, limitsExceeded):
		return "", aboutFile("its own limits kept it from scanning the file to the end (%s)", nameOf(found))
	case stream && isFound:
		return nameOf(found), nil
	case strings.HasPrefix(s, "INSTREAM size limit exceeded"):
		return "", aboutFile("the file is larger than it takes (StreamMaxLength of clamd)")
	}
	return "", errors.New("it answers " + printable.Text(s, 200))
}

// nameOf makes what a scanner calls something fit to be kept and shown. It is never empty.
func nameOf(s string) string {
	if s = printable.Text(strings.TrimSpace(s), maxName); s == "" {
		return "something without a name"
	}
	return s
}

func shorten(s string) string { return printable.Text(strings.TrimSpace(s), 200) }
