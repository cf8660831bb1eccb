package policy

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

const (
	maxScanners = 64
	maxRemember = 7 * 24 * time.Hour
	maxTotal    = 2 * time.Hour
)

// scanners reads the section scanners.
func (b *builder) scanners(n node) {
	for i, pair := range n.pairs() {
		if i == maxScanners {
			b.add(pair.key, "", "there are more than %d scanners", maxScanners)
			return
		}
		s := b.scanner(pair.value)
		s.Name = pair.key.text()
		s.Line, s.Position = pair.key.position()
		b.policy.scanners = append(b.policy.scanners, s)
	}
}

func (b *builder) scanner(n node) *Scanner {
	text := func(key string) string { return n.get(key).text() }
	s := &Scanner{
		Clamd: text("clamd"), ICAP: text("icap"), Command: n.get("command").texts(), Request: text("method") == "reqmod", Early: text("early") == "clean",
		Contents: text("too_large") == "contents", MaxSize: scanMaxSize, Timeout: scanTimeout, Total: scanTotal, Remember: scanRemember, AtOnce: scanAtOnce,
	}
	// What cannot be read the check has refused.
	if size, err := parseSize(text("max_size")); err == nil {
		s.MaxSize = size
	}
	for key, into := range map[string]*time.Duration{"timeout": &s.Timeout, "total": &s.Total, "remember": &s.Remember} {
		if d, err := parseDuration(text(key)); err == nil {
			*into = d
		}
	}
	if at, err := parseAtOnce(text("at_once")); err == nil {
		s.AtOnce = at
	}
	for _, item := range n.get("found").get("exit").items() {
		if status, err := parseExit(item.text()); err == nil {
			s.FoundExits = append(s.FoundExits, status)
		}
	}
	b.checkScanner(n, s)
	return s
}

// checkScanner looks for what no single key shows to be wrong.
func (b *builder) checkScanner(n node, s *Scanner) {
	if n.y.Kind != yaml.MappingNode { // the check has said so
		return
	}
	kinds := 0
	for _, key := range []string{"clamd", "icap", "command"} {
		if n.get(key).present() {
			kinds++
		}
	}
	if kinds != 1 {
		b.add(n, "", "a scanner has one of clamd, icap and command, this has %s", map[bool]string{true: "none", false: "several"}[kinds == 0])
		return
	}
	b.onlySaidOf(n, "icap", "method", "early")
	b.onlySaidOf(n, "command", "found")
	if len(s.Command) > 0 {
		b.checkCommand(n, s)
	}
	if s.Timeout > s.Total {
		at := n.get("timeout")
		if !at.present() {
			at = n.get("total")
		}
		b.add(at, "", "one file may take longer (timeout) than the update with all that is inside (total)")
	}
	if s.Remember > maxRemember {
		b.add(n.get("remember"), "", "what a scanner said is remembered for 7d at most: it may know more by then")
	}
	if s.Total > maxTotal {
		b.add(n.get("total"), "", "an update is fetched, examined and scanned within 2h at most")
	}
}

// onlySaidOf refuses keys that mean something for one kind of scanner only.
func (b *builder) onlySaidOf(n node, kind string, keys ...string) {
	if n.get(kind).present() {
		return
	}
	for _, key := range keys {
		if v := n.get(key); v.present() {
			b.add(v, "remove it", "%s is said of scanners with %s, this has none", key, kind)
		}
	}
}

func (b *builder) checkCommand(n node, s *Scanner) {
	command := n.get("command")
	if program := s.Command[0]; program != "" && !absolute(program) {
		b.add(command.items()[0], "", "write the whole path of the program %s: it is looked for nowhere", quote(program))
	}
	files := 0
	for _, argument := range s.Command[1:] {
		files += strings.Count(argument, FileArgument)
	}
	if files > 1 || strings.Contains(s.Command[0], FileArgument) {
		b.add(command, "", "%s stands in one argument at most, and is not the program", FileArgument)
	}
	if !n.get("found").present() {
		b.add(n, "write found: output, if every line that it prints is a finding, or found: {exit: [1]}, if its exit status says so", "how does this command say that it has found something?")
	}
	if slices.Contains(s.FoundExits, 0) {
		b.add(n.get("found"), "", "the exit status 0 means that nothing was found")
	}
}

// scannerNames returns the names of all scanners, in the order of the file.
func (b *builder) scannerNames() []string {
	names := make([]string, len(b.policy.scanners))
	for i, s := range b.policy.scanners {
		names[i] = s.Name
	}
	return names
}

// scan builds the requirement of that name.
func (b *builder) scan(n node) requirement {
	r := &scan{opens: true}
	names := n
	if named := n.get("scanners"); named.present() {
		names, r.opens = named, n.get("inside").text() != "false"
	}
	for _, item := range names.items() {
		if s := b.scannerNamed(item); s != nil && !slices.Contains(r.scanners, s) {
			r.scanners = append(r.scanners, s)
		}
	}
	if len(r.scanners) == 0 {
		return nil
	}
	return r
}

// scannerNamed returns the scanner of that name, and adds an error if there is none.
func (b *builder) scannerNamed(n node) *Scanner {
	for _, s := range b.policy.scanners {
		if s.Name == n.text() {
			b.scanned[s.Name] = true
			return s
		}
	}
	if n.present() {
		b.add(n, nearest(n.text(), b.scannerNames()), "there is no scanner %s", quote(n.text()))
	}
	return nil
}

// unusedScanners warns of scanners that nothing asks.
func (b *builder) unusedScanners() {
	for _, s := range b.policy.scanners {
		if !b.scanned[s.Name] {
			b.warn(b.keyOf("scanners", s.Name), "remove it, or name it under scan", "scanner %s is never asked: no requirement names it", s.Name)
		}
	}
}
