//go:build linux || darwin || freebsd

package quarantine

import "golang.org/x/sys/unix"

// freeSpace returns how many bytes of the file system that holds dir are free to this process, and whether that
// could be told.
func freeSpace(dir string) (int64, bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true
}
