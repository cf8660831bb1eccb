// Package configs holds the configuration that the binary carries within itself: the default policy, the catalogue of
// vendors' channels that policies take fragments from, and the keys that both name. anchors/SOURCES says where the keys
// come from, each fragment where its facts do.
package configs

import (
	"embed"
	"fmt"
	"io/fs"
)

// PolicyName is the name of the default policy among Files.
const PolicyName = "policy.yaml"

//go:embed policy.yaml anchors channels
var files embed.FS

// Files returns the default policy and the files that it names, under the names it uses for them, and the catalogue: fragments
// in channels, and the files that they name.
func Files() fs.FS { return files }

// Policy returns the default policy.
func Policy() ([]byte, error) {
	b, err := files.ReadFile(PolicyName)
	if err != nil {
		return nil, fmt.Errorf("reading the default policy: %w", err)
	}
	return b, nil
}
