//go:build unix

package main

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// diskFree returns how many bytes may still be written to the disk of dir.
func diskFree(dir string) (int64, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	free := float64(s.Bavail) * float64(s.Bsize)
	return int64(min(free, math.MaxInt64/2)), nil
}
