package verify

// Contents is what is inside an artifact, on all levels of containers.
type Contents struct {
	Files       int     `json:"files"`           // entries that have bytes
	Bytes       int64   `json:"bytes"`           // all of them together, unpacked
	Executables int     `json:"executables"`     // files that a system would run or load
	Containers  int     `json:"containers"`      // that were opened, the artifact itself included
	Depth       int     `json:"depth"`           // of containers in containers; 1 for the artifact itself
	Unread      int     `json:"unread"`          // entries and containers that were not looked into
	Inner       []Inner `json:"inner,omitempty"` // every file, in the containers' order
}

// Inner is one file inside an artifact.
type Inner struct {
	Path   string            `json:"path"` // "disk1.cab/ffmpeg.dll"; the Subject of findings about it
	Format Format            `json:"format,omitempty"`
	Size   int64             `json:"size"` // bytes
	SHA256 Digest            `json:"sha256,omitzero"`
	Facts  map[string]string `json:"facts,omitempty"` // what reviewers know of it: product, version, company
	// Taps are the digests that verifiers made of it, as in Digests.Taps.
	Taps map[string][]byte `json:"taps,omitempty"`
}

// Executable reports whether a system runs or loads files of this format.
func (f Format) Executable() bool {
	switch f {
	case "pe", "elf", "macho", "script", "msi", "class", "dex", "lnk":
		return true
	}
	return false
}

// Container reports whether files of this format hold others.
func (f Format) Container() bool {
	switch f {
	case "deb", "ar", "rpm", "msi", "cab", "pkg", "crx", "mar", "zip", "7z", "rar", "xz", "zstd", "gzip", "bzip2", "lz4", "lzip", "compress", "lzma", "squashfs", "wim",
		"msdelta", "tar", "iso", "msix", "nupkg", "vsix", "apk", "jar", "xpi", "whl", "dmg", "flatpak", "gem", "crate", "vhd", "vhdx", "asar", "cpio":
		return true
	}
	return false
}
