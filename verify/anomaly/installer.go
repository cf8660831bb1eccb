package anomaly

import (
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// installer returns what an installer's Property table says of it. One whose tables cannot be read says nothing: that
// is for those to report who judge or open it.
func installer(a *verify.Artifact) map[string]string {
	if a.Format != "msi" {
		return nil
	}
	id, err := msidb.Identify(a.Content, a.Size)
	if err != nil {
		return nil
	}
	return short(map[string]string{"company": id.Manufacturer, "product": id.ProductName, "version": id.ProductVersion})
}

// maxFact is how long a fact may be, in bytes.
const maxFact = 200

// short returns those texts that are there and not overlong; nil if there are none.
func short(texts map[string]string) map[string]string {
	var out map[string]string
	for key, value := range texts {
		if value = strings.TrimSpace(value); value != "" && len(value) <= maxFact {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}
