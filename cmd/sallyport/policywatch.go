package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// Files that change, change often in a row. They are read when nothing more has happened for settleTime, or at the
// latest after settleMost.
const (
	settleTime = 200 * time.Millisecond
	settleMost = 2 * time.Second
)

// watch sends to changed after something has happened to the policy file or to a file that it names. It is their
// folders that are watched: editors and configuration management put new files in the place of old ones.
func (f *policyFile) watch(ctx context.Context, changed chan<- struct{}) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the policy: %w", err)
	}
	if err := w.Add(filepath.Dir(f.path)); err != nil {
		w.Close()
		return fmt.Errorf("watching the policy's folder: %w", err)
	}
	f.mu.Lock()
	f.watcher = w
	f.mu.Unlock()
	f.watchFolders()
	go func() {
		defer w.Close()
		settled := time.NewTimer(time.Hour)
		settled.Stop()
		var first time.Time
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-w.Events:
				if !ok {
					return
				}
				if !f.concerns(e) {
					continue
				}
				if first.IsZero() {
					first = time.Now()
				}
				settled.Reset(max(0, min(settleTime, settleMost-time.Since(first))))
			case err, ok := <-w.Errors:
				if !ok {
					return
				}
				f.log.Warn("watching the policy", zap.Error(err))
				settled.Reset(settleTime) // events may be lost: look
			case <-settled.C:
				first = time.Time{}
				select {
				case changed <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return nil
}

// watchFolders watches the folders of all files of the policy. A folder that is not there is looked for again with the
// next change; SIGHUP reads the policy in any case.
func (f *policyFile) watchFolders() {
	f.mu.Lock()
	w, files := f.watcher, f.files
	f.mu.Unlock()
	if w == nil {
		return
	}
	watched := w.WatchList()
	for _, file := range files {
		folder := filepath.Dir(file)
		if slices.Contains(watched, folder) {
			continue
		}
		if err := w.Add(folder); err != nil && !errors.Is(err, fsnotify.ErrClosed) {
			f.log.Warn("changes in a folder of the policy will not be seen; reload by SIGHUP", zap.String("folder", folder), zap.Error(err))
			continue
		}
		watched = append(watched, folder)
	}
}

// concerns reports whether the policy may read differently after e. What is written into other files does not matter,
// a log beside the policy for one; what is put in or taken away does, as any link on the way to a file may be.
func (f *policyFile) concerns(e fsnotify.Event) bool {
	switch {
	case e.Op == fsnotify.Chmod:
		return false
	case e.Op&^(fsnotify.Write|fsnotify.Chmod) == 0:
		return slices.Contains(f.parts(), filepath.Clean(e.Name))
	}
	return true
}

// parts are the files that the policy was made of when it was loaded last.
func (f *policyFile) parts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.files
}
