//go:build !unix

package replay

// cpuSeconds is not known here.
func cpuSeconds() float64 { return 0 }
