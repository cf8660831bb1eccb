package main

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestTheTimeIsTheSuites(t *testing.T) {
	t.Setenv("TUF_NOW", "1795435200")
	if at, err := now(context.Background()); err != nil || !at.Equal(noon) {
		t.Errorf("%v, %v", at, err)
	}
	os.Unsetenv("TUF_NOW")
	t.Setenv("LD_PRELOAD", "")
	if at, err := now(context.Background()); err != nil || time.Since(at).Abs() > time.Hour {
		t.Errorf("%v, %v", at, err)
	}
}

// faketime(1) has no effect on this process, but on date(1), which it asks.
func TestAFakedClockIsFollowed(t *testing.T) {
	if _, err := exec.LookPath("faketime"); err != nil {
		t.Skip("faketime is not installed: the suite's way to fake the clock is left out")
	}
	out, err := exec.Command("faketime", "2031-01-01 00:00:00", "sh", "-c", "echo $LD_PRELOAD").Output()
	if err != nil {
		t.Skip("faketime does not run here: the suite's way to fake the clock is left out")
	}
	os.Unsetenv("TUF_NOW")
	t.Setenv("LD_PRELOAD", string(out[:len(out)-1]))
	t.Setenv("FAKETIME", "@2031-01-01 00:00:00")
	if at, err := now(context.Background()); err != nil || at.UTC().Year() != 2031 && at.UTC().Year() != 2030 {
		t.Errorf("%v, %v", at, err)
	}
}
