package main

import "strings"

// confirmLoosening puts the policy file in force, as somebody does who has been told what it loosens.
func (g *gateway) confirmLoosening() {
	g.t.Helper()
	out, errs, code := g.sallyport("policy", "reload", "--confirm-loosening")
	if code != 0 || !strings.Contains(out, " is in force now, sha256:") {
		g.t.Fatalf("policy reload --confirm-loosening: exit %d: %s%s", code, out, errs)
	}
}
