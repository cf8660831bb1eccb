package audit

import (
	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/policy"
)

// Most that a record says of what an artifact is on the channels that judge it.
const (
	maxEditions   = 64
	maxPublishers = 32
	maxProofs     = 32
)

// boundedEditions returns a copy whose texts and lists are within their bounds. What is too much goes: history that is made from
// the rest knows less of the artifact, never more.
func boundedEditions(list []policy.Edition) []policy.Edition {
	if len(list) == 0 {
		return nil
	}
	out := make([]policy.Edition, 0, min(len(list), maxEditions))
	for _, e := range list[:min(len(list), maxEditions)] {
		out = append(out, policy.Edition{
			Channel: printable.Text(e.Channel, maxName), Product: printable.Text(e.Product, maxWord),
			Version: printable.Text(e.Version, maxWord), System: printable.Text(e.System, maxWord),
			Publishers: boundedWords(e.Publishers, maxPublishers), Proofs: boundedWords(e.Proofs, maxProofs),
		})
	}
	return out
}

func boundedWords(list []string, most int) []string {
	if len(list) == 0 {
		return nil
	}
	out := make([]string, 0, min(len(list), most))
	for _, s := range list[:min(len(list), most)] {
		out = append(out, printable.Text(s, maxWord))
	}
	return out
}

// BoundedEditions returns editions exactly as a record shows them: texts printable and cut, lists within their bounds. What is
// compared with what was recorded has to go through here as well.
func BoundedEditions(list []policy.Edition) []policy.Edition { return boundedEditions(list) }

// RecordedURL returns an address exactly as a record shows it: without user information, fragment and the values of its query,
// printable, and cut.
func RecordedURL(raw string) string { return boundedURL(raw) }
