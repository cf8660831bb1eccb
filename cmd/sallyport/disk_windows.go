package main

import (
	"fmt"
	"math"

	"golang.org/x/sys/windows"
)

// diskFree returns how many bytes may still be written to the disk of dir.
func diskFree(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(name, &free, nil, nil); err != nil {
		return 0, fmt.Errorf("asking for free space: %w", err)
	}
	return int64(min(free, math.MaxInt64/2)), nil
}
