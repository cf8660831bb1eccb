//go:build !unix

package quarantine

import (
	"errors"
	"io"
)

// lockFile refuses: a vault depends on files that may be renamed and removed while they are open.
func lockFile(string) (io.Closer, error) {
	return nil, errors.New("a vault needs a Unix system")
}
