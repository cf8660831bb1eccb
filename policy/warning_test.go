package policy

import (
	"strings"
	"time"
)

// warningsOf returns the messages of a policy's warnings, each on a line.
func warningsOf(p *Policy, at time.Time) string {
	var lines []string
	for _, w := range p.Warnings(at) {
		lines = append(lines, w.Message)
	}
	return strings.Join(lines, "\n")
}

// oddities is warningsOf without what is noted of every policy in which something is left out.
func oddities(p *Policy) string {
	var lines []string
	for _, w := range p.Warnings(now) {
		usual := strings.Contains(w.Message, "is referred to by nothing") || strings.Contains(w.Message, "does not stand for") || strings.Contains(w.Message, "requires nothing")
		if !usual {
			lines = append(lines, w.Message)
		}
	}
	return strings.Join(lines, "\n")
}
