package fetch

import (
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// module runs `go mod download -json`, which leaves the module's zip in the module cache.
func module(ctx context.Context, spec string, files []File, tmp, dir string) error {
	out, err := output(ctx, tmp, "go", "mod", "download", "-json", spec)
	if err != nil {
		return err
	}
	var answer struct{ Zip, Error string }
	if err := json.Unmarshal(out, &answer); err != nil {
		return fmt.Errorf("reading what go says: %w", err)
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	archive, err := zip.OpenReader(answer.Zip)
	if err != nil {
		return fmt.Errorf("opening the module: %w", err)
	}
	defer archive.Close()
	for _, f := range files {
		entry, err := archive.Open(spec + "/" + f.Inner)
		if err != nil && f.Optional {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s is not in the module: %w", f.Inner, err)
		}
		err = f.store(dir, entry)
		entry.Close()
		if err != nil {
			return err
		}
	}
	return nil
}
