//go:build unix

package scan

import (
	"os/exec"
	"syscall"
)

// ownGroup has a command run in a process group of its own, away from our terminal.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }

// killGroup kills a command, and all that it has started and that has not left its group.
func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
