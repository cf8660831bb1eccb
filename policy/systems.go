package policy

import (
	"fmt"
	"strconv"

	"github.com/sallyport-project/sallyport/internal/versions"
)

func checkSystem(s string) error {
	if _, ok := versions.Of(s)("1.0", "1.0"); !ok {
		return fmt.Errorf("%s is no system of versions that is known here: write deb, rpm, pe, msi, msix, npm, pypi, nuget, semver, rubygems or name", quote(s))
	}
	return nil
}

func parseTally(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s is no whole number from 0", quote(s))
	}
	return n, nil
}
