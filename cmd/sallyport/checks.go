package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy/console"
)

// Free space on the disk of the state below which somebody should look, and below which the proxy had better get no
// more requests: that is what the vault leaves free for the log (quarantine.Options.MinFree), so that no update is
// held any more, and none let through that is not held already.
const (
	diskTight = 1 << 30
	diskFull  = 256 << 20
)

// checks are what /readyz looks at.
func (r *running) checks() []console.Check {
	return []console.Check{
		{Name: "serving", Look: func(context.Context) (console.Health, string) {
			if r.stopping.Load() {
				return console.Failing, "the proxy is stopping"
			}
			return console.Good, ""
		}},
		{Name: "policy", Look: r.policy.health},
		{Name: "feeds", Look: r.feedsHealth},
		{Name: "scanners", Look: r.scannersHealth},
		{Name: "sources", Look: r.sourcesHealth},
		{Name: "log", Look: r.logHealth},
		{Name: "history", Look: r.historyHealth},
		{Name: "vault", Look: r.vaultHealth},
		{Name: "disk", Look: r.diskHealth},
	}
}

// sourcesHealth says which repositories and trusted roots could not be brought up to date. The proxy goes on without them as long
// as what is known of them is in force, so that nobody is kept from it.
func (r *running) sourcesHealth(context.Context) (console.Health, string) {
	failing := r.refreshers.Failing()
	if len(failing) == 0 {
		return console.Good, ""
	}
	for i := range failing {
		failing[i] = printable.Text(failing[i], 300)
	}
	return console.Warning, count(len(failing), "anchor") + " not up to date: " + strings.Join(failing, "; ")
}

// logHealth says whether records can be stored: by the last one, and where that failed, by trying to write a file
// beside them.
func (r *running) logHealth(context.Context) (console.Health, string) {
	records, size := r.owner.log.Size()
	detail := fmt.Sprintf("%d records, %s", records, byteSize(size))
	last := r.owner.lastAppend()
	if last == nil {
		return console.Good, detail
	}
	if err := tryWriting(r.owner.dir.log()); err != nil {
		return console.Failing, fmt.Sprintf("not writable, so nothing is released: %v", err)
	}
	return console.Warning, fmt.Sprintf("the last record could not be stored: %v", last)
}

// tryWriting writes a file in dir and removes it again.
func tryWriting(dir string) error {
	f, err := os.CreateTemp(dir, ".probe-*")
	if err != nil {
		return err
	}
	defer os.Remove(filepath.Join(dir, filepath.Base(f.Name())))
	defer f.Close()
	if _, err := f.Write(make([]byte, 4096)); err != nil {
		return err
	}
	return f.Sync()
}

func (r *running) vaultHealth(context.Context) (console.Health, string) {
	s := r.owner.vault.Stats()
	detail := fmt.Sprintf("%d released (%s), %d in quarantine (%s), %d on their way, quota %s",
		s.Released.Items, byteSize(s.Released.Bytes), s.Quarantined.Items, byteSize(s.Quarantined.Bytes), s.Held.Items, byteSize(s.Quota))
	if s.Displaced > 0 || s.Broken > 0 {
		return console.Warning, fmt.Sprintf("%s; %d quarantined items gave way, %d items were found damaged", detail, s.Displaced, s.Broken)
	}
	return console.Good, detail
}

func (r *running) diskHealth(context.Context) (console.Health, string) {
	free, err := diskFree(string(r.owner.dir))
	switch {
	case err != nil:
		return console.Warning, err.Error()
	case free < diskFull:
		return console.Failing, fmt.Sprintf("%s free; %s are left to the log, so new updates are refused", byteSize(free), byteSize(diskFull))
	case free < diskTight:
		return console.Warning, byteSize(free).String() + " free"
	}
	return console.Good, byteSize(free).String() + " free"
}
