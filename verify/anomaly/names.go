package anomaly

import (
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify"
)

// documents are the endings of what people open without a second thought.
var documents = words("pdf doc docx xls xlsx ppt pptx rtf odt ods txt log csv jpg jpeg png gif bmp ico svg tif tiff mp3 mp4 avi mov wav htm html xml json css md")

// programEndings are the endings by which systems run a file.
var programEndings = words("exe scr com pif cpl bat cmd ps1 vbs vbe js jse wsf hta msi msp lnk jar sh command app")

func words(s string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(s) {
		out[w] = true
	}
	return out
}

// names looks at what a file is called and whether that is what it is.
func names(a *verify.Artifact) (out []verify.Finding) {
	name := path.Base(strings.ReplaceAll(a.Name, `\`, "/"))
	if i := strings.IndexFunc(name, reorders); i >= 0 {
		out = append(out, odd("", "misleading-name", "The name holds a character that changes the order in which it is shown, so that another ending can seem to be the last."))
	}
	parts := strings.Split(strings.ToLower(name), ".")
	last := strings.TrimSpace(parts[len(parts)-1])
	if len(parts) > 2 && programEndings[last] && documents[strings.TrimSpace(parts[len(parts)-2])] {
		out = append(out, odd("", "double-extension", "The name ends in .%s.%s: where endings are hidden it looks like a document, and it is run.", strings.TrimSpace(parts[len(parts)-2]), last))
	}
	if len(parts) > 1 && strings.Contains(name, "      ") && programEndings[last] {
		out = append(out, odd("", "misleading-name", "Many spaces stand before the ending .%s, so that it is not seen.", last))
	}
	if len(parts) > 1 && documents[last] && isProgram(a.Format) {
		out = append(out, odd("", "disguised", "It is called .%s, and is a program (%s).", last, a.Format))
	}
	return out
}

// isProgram reports whether a format is that of a program by its content, whatever it is called.
func isProgram(f verify.Format) bool { return f == "pe" || f == "elf" || f == "macho" || f == "dex" }

// reorders reports whether a character changes the direction of what follows it (Unicode Bidirectional Algorithm, UAX #9).
func reorders(r rune) bool {
	return r == 0x200e || r == 0x200f || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
