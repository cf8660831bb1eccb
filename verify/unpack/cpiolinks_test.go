package unpack

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// newcMember is a member of a cpio archive in the format newc.
func newcMember(name string, inode, links int, content string) []byte {
	b := fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", inode, 0o100755, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	b = append(b, make([]byte, -len(b)&3)...)
	b = append(b, content...)
	return append(b, make([]byte, -len(b)&3)...)
}

// The content of names that are one file may come with any of them: cpio links those that follow as well.
func TestCpioNamesAfterTheirContentAreLinks(t *testing.T) {
	data := append(newcMember("a.txt", 5, 2, "echo\n"), newcMember("b.sh", 5, 2, "")...)
	data = append(data, newcMember(cpioTrailer, 0, 1, "")...)
	l, method, codes := openUnix(t, "x.cpio", data)
	if want := "a.txt " + unixSum("echo\n") + "\nb.sh -> a.txt"; method != "cpio" || codes != "" || l.String() != want {
		t.Errorf("%s %q\n%s", method, codes, l)
	}
	if _, err := exec.LookPath("cpio"); err != nil {
		t.Skip("cpio is not installed: comparing with it is left out; .ci/test installs it")
	}
	dir := t.TempDir()
	c := exec.Command("cpio", "-idm", "--quiet")
	c.Dir, c.Stdin = dir, bytes.NewReader(data)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "b.sh")); err != nil || string(b) != "echo\n" {
		t.Errorf("cpio makes %q of it, %v", b, err)
	}
}

// Only the four names are tables of symbols; whoever unpacks the archive gets a file of any other.
func TestARMembersThatOnlyBeginAsTablesAreOffered(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(arMagic)
	for _, name := range []string{"__.SYMDEF", "__.SYMDEF.sh"} {
		fmt.Fprintf(&b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", name, 0, 0, 0, "100755", 4, "echo")
	}
	if l, method, codes := openUnix(t, "x.a", b.Bytes()); method != "ar" || codes != "" || l.String() != "__.SYMDEF.sh "+unixSum("echo") {
		t.Errorf("%s %q\n%s", method, codes, l)
	}
}
