package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
	"github.com/sallyport-project/sallyport/verify/internal/cfb"
	"github.com/sallyport-project/sallyport/verify/internal/msidb"
)

// platforms are the architectures in the summary of an installer (Windows Installer, Template Summary Property).
var platforms = map[string]string{"": "x86", "intel": "x86", "x64": "x64", "amd64": "x64", "arm64": "arm64", "arm": "arm", "intel64": "ia64"}

// neutral are the languages that an installer is in where there is only one of it: none, and English of the United States.
var neutral = map[string]bool{"": true, "0": true, "1033": true}

// installer reads a Windows Installer package: its properties, and what it runs.
func installer(_ context.Context, a *verify.Artifact) (s said, err error) {
	f, err := cfb.Open(a.Content, a.Size)
	if err != nil {
		return s, err
	}
	d, err := msidb.Open(f, f.Root)
	if err != nil {
		return s, err
	}
	programs, err := d.Programs()
	if err != nil {
		return s, err
	}
	for _, p := range programs {
		s.action(p.Name, "%s", runs(p))
	}
	id, err := d.Identify()
	if err != nil {
		return s, err
	}
	s.fact("upgrade_code", id.UpgradeCode)
	if id.ProductName == "" {
		return s, nil
	}
	platform, _, _ := strings.Cut(id.Template, ";")
	architecture, known := platforms[strings.ToLower(platform)]
	if !known {
		architecture = platform
	}
	name := withArchitecture(withoutRelease(id.ProductName), architecture)
	if !neutral[id.Language] {
		name += " (language " + id.Language + ")"
	}
	s.is("msi", name, id.ProductVersion)
	return s, nil
}

// runs says what a custom action runs. Of long texts the digest tells two apart.
func runs(p msidb.Program) string {
	as := ""
	if p.System {
		as = ", as the system"
	}
	from := ""
	if p.From != "" {
		from = fmt.Sprintf(" from %s %s", p.From, told(p.Source, 100))
	}
	target := strings.Join(strings.Fields(p.Target), " ")
	if len(target) > 90 || strings.ContainsAny(p.Target, "\r\n") || p.Kind == "script" && p.From == "" {
		target = fmt.Sprintf("%s (%s)", cut(target, 60), digestOf([]byte(p.Target)))
	}
	if target != "" {
		target = ": " + target
	}
	return p.Kind + from + as + target
}

// digestOf tells texts apart in a few digits.
func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return fmt.Sprintf("%d bytes, sha256 %x", len(b), sum[:8])
}
