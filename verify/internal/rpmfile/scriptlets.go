package rpmfile

import (
	"fmt"
	"strings"
)

// Scriptlet is a program in a package's header that rpm runs.
type Scriptlet struct {
	Name string // "post", "trigger1", ...
	Text string // as it is run: with its interpreter in the first line
}

// rpmScripts are the tags of scriptlets and of their interpreters.
var rpmScripts = []struct {
	name            string
	script, program uint32
}{
	{"pretrans", 1151, 1153}, {"pre", 1023, 1085}, {"post", 1024, 1086}, {"preun", 1025, 1087}, {"postun", 1026, 1088},
	{"posttrans", 1152, 1154}, {"preuntrans", 5103, 5105}, {"postuntrans", 5104, 5106}, {"verify", 1079, 1091},
	{"trigger", 1065, 1092}, {"filetrigger", 5066, 5067}, {"transfiletrigger", 5076, 5077},
}

// Scriptlets returns the scriptlets of a header. A program without a script is one too: "%post -p /sbin/ldconfig". The
// error matches ErrFormat.
func (h *Header) Scriptlets() (out []Scriptlet, err error) {
	for _, s := range rpmScripts {
		texts, err := h.Strings(s.script)
		if err != nil {
			return nil, fmt.Errorf("the scriptlet %s cannot be read: %w", s.name, err)
		}
		programs, err := h.Strings(s.program)
		if err != nil {
			return nil, fmt.Errorf("the interpreter of the scriptlet %s cannot be read: %w", s.name, err)
		}
		many := strings.HasSuffix(s.name, "trigger")
		if !many && len(texts) == 0 && len(programs) > 0 {
			texts = []string{""}
		}
		for i, text := range texts {
			program := "/bin/sh"
			switch {
			case many && i < len(programs):
				program = programs[i]
			case !many && len(programs) > 0:
				program = strings.Join(programs, " ")
			}
			name := s.name
			if many {
				name = fmt.Sprintf("%s%d", s.name, i+1)
			}
			if line := "#!" + program; text != line && !strings.HasPrefix(text, line+"\n") {
				text = line + "\n" + text // which decides, whatever the script says
			}
			out = append(out, Scriptlet{name, text})
		}
	}
	return out, nil
}
