package identity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// lifecycle are the scripts of a package.json that npm runs when a package is installed (npm-scripts, Life Cycle Operation
// Order); preprepare and the two after it for packages from git and folders.
var lifecycle = []string{"preinstall", "install", "postinstall", "preprepare", "prepare", "postprepare"}

const maxPackageJSON = 1 << 20 // bytes

// npm reads the package.json of a package. As in JavaScript, the last of several equal keys counts.
func (s *said) npm(b []byte, native bool) error {
	fields, err := s.packageJSON(b)
	if err != nil {
		return err
	}
	s.lifecycle(fields["scripts"], native)
	s.is("npm", textOf(fields["name"]), strings.TrimLeft(textOf(fields["version"]), "=v "))
	return nil
}

// packageJSON reads the outermost keys, in which case counts. npm leaves out a byte order mark.
func (s *said) packageJSON(b []byte) (fields map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\uFEFF")), &fields); err != nil {
		s.action(packageJSON, "scripts that cannot be read, %s", digestOf(b))
		return nil, fmt.Errorf("package.json: %w: %w", err, errUnclear)
	}
	return fields, nil
}

// lifecycle keeps what npm runs. Without a script of its own, a package that has a binding.gyp is compiled by node-gyp.
func (s *said) lifecycle(scripts json.RawMessage, native bool) {
	var all map[string]json.RawMessage
	if json.Unmarshal(scripts, &all) != nil {
		all = nil // npm takes anything but an object for none
	}
	for _, name := range lifecycle {
		if command := textOf(all[name]); command != "" {
			s.action(name, "%s", command)
		}
	}
	if native && textOf(all["install"]) == "" && textOf(all["preinstall"]) == "" {
		s.action("install", "node-gyp rebuild (of binding.gyp)")
	}
}

func textOf(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// innerPackageJSON reads what npm runs of a package inside another.
func innerPackageJSON(_ context.Context, a *verify.Artifact) (s said, err error) {
	if a.Size > maxPackageJSON {
		s.action(packageJSON, "scripts that are not looked for among %d bytes", a.Size)
		return s, nil
	}
	b := make([]byte, a.Size)
	if _, err := io.ReadFull(io.NewSectionReader(a.Content, 0, a.Size), b); err != nil {
		return s, fmt.Errorf("reading package.json: %w", err)
	}
	if fields, err := s.packageJSON(b); err == nil {
		s.lifecycle(fields["scripts"], false)
	}
	return s, nil
}
