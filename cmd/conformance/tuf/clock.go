package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// now is the time by which the suite wants metadata judged. libfaketime, which the suite fakes the clock with, has no effect on Go
// programs, so where a library is preloaded date(1) is asked; recorded tests give the time in TUF_NOW, as Unix seconds.
func now(ctx context.Context) (time.Time, error) {
	text, faked := os.LookupEnv("TUF_NOW")
	if !faked {
		if os.Getenv("LD_PRELOAD") == "" {
			return time.Now(), nil
		}
		out, err := exec.CommandContext(ctx, "date", "+%s").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("asking date for the time: %w", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("the time is said to be %q, not Unix seconds", text)
	}
	return time.Unix(seconds, 0), nil
}
