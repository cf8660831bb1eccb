//go:build unix

package reputation

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A pipe in the place of a list is refused, and not waited for: it would keep the policy from being loaded.
func TestAPipeIsNoList(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip("no pipes can be made here: that one is refused is not tested: ", err)
	}
	feed := Feed{Name: "bad", File: path}
	if _, err := Check(t.Context(), feed, time.Now()); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("checking: %v", err)
	}
	f, err := Open(t.Context(), []Feed{feed}, Options{})
	if err != nil || f.View().State("bad", time.Now()).Status != Never {
		t.Errorf("opening: %+v, %v", f.View().State("bad", time.Now()), err)
	}
}
