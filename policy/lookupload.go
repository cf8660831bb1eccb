package policy

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

var lookupServices = []string{"virustotal", "hashlookup", "json"}

// lookups reads the section lookups. It comes after feeds, with which look-ups share their names.
func (b *builder) lookups(n node) {
	for _, pair := range n.pairs() {
		l := b.lookup(pair.value)
		l.Name = pair.key.text()
		l.Line, l.Position = pair.key.position()
		if contains(b.feedNames(), l.Name) {
			b.add(pair.key, "give it another name", "%s is the name of a feed already, and requirements name both alike", quote(l.Name))
			continue
		}
		b.policy.feeds = append(b.policy.feeds, &Feed{Name: l.Name, Line: l.Line, Position: l.Position, Good: l.Good, Lookup: l})
	}
}

func (b *builder) lookup(n node) *Lookup {
	l := &Lookup{
		Good: n.get("good").text() == "true", Unclear: n.get("unknown").text() == "inconclusive", Inside: n.get("inside").text() == "true",
	}
	l.Timeout, _ = parseDuration(n.get("timeout").text())
	l.Cache, _ = parseDuration(n.get("cache").text())
	if files, err := parseWhole(n.get("max_files").text()); err == nil {
		l.MaxFiles = int(min(files, 10_000))
	}
	for _, item := range n.get("budget").items() {
		if r, err := parseRate(item.text()); err == nil {
			l.Budget = append(l.Budget, r)
		}
	}
	var of node
	for _, name := range lookupServices {
		if v := n.get(name); v.present() {
			if l.Service != "" {
				b.add(v, "make two look-ups of them", "a look-up asks one service, and this names %s and %s", l.Service, name)
			}
			l.Service, of = name, v
		}
	}
	if l.Service == "" {
		if n.y.Kind == yaml.MappingNode {
			b.add(n, "", "a look-up asks one of %s, and this names none", strings.Join(lookupServices, ", "))
		}
		return l
	}
	b.service(l, of)
	if good := n.get("good"); l.Good && l.Service == "virustotal" {
		b.add(good, "remove it", "that no engine calls a file malicious does not make it known to be good")
	}
	if v := n.get("max_files"); v.present() && !l.Inside {
		b.add(v, "say inside: true, too", "without inside, one file of an update is asked about")
	}
	return l
}

// service reads what is said of the service itself.
func (b *builder) service(l *Lookup, n node) {
	l.URL, l.Header = n.get("url").text(), n.get("header").text()
	if f := n.get("key_file"); f.present() {
		l.Key = b.secret(f)
	}
	switch l.Service {
	case "virustotal":
		l.AtLeast = 1
		if count, err := parseWhole(n.get("at_least").text()); err == nil {
			l.AtLeast = int(min(count, 1000))
		}
	case "hashlookup":
		l.MinTrust = 50
		if v := n.get("min_trust"); v.present() {
			l.MinTrust, _ = parsePercent(v.text())
		}
	case "json":
		b.answer(l, n)
	}
}

func (b *builder) answer(l *Lookup, n node) {
	l.Answer = JSONAnswer{Pointer: n.get("pointer").text(), Is: n.get("is").texts(), Label: n.get("label").text()}
	least := n.get("at_least")
	l.Answer.AtLeast, _ = parseNumber(least.text())
	switch is := n.get("is"); {
	case is.present() && least.present():
		b.add(least, "keep one of them", "a verdict is compared with texts or with a number, not with both")
	case !is.present() && !least.present():
		b.add(n, "say which verdicts mean that a file is listed: is: [malicious]", "json needs is or at_least, and this has neither")
	}
	if h := n.get("header"); h.present() && !n.get("key_file").present() {
		b.add(h, "give key_file, too", "there is no secret to be sent in %s", quote(h.text()))
	}
}

// secret reads a file that holds one line.
func (b *builder) secret(n node) string {
	if checkText(n.text()) != nil {
		return "" // the check has said so
	}
	data, err := b.openUpTo(n.text(), 4<<10)
	if err != nil {
		b.add(n, "", "the key file %s cannot be read: %v", quote(n.text()), err)
		return ""
	}
	s := strings.TrimSpace(string(data))
	if s == "" || strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
		b.add(n, "", "the key file %s holds no key: it is one word of printable ASCII", quote(n.text()))
		return ""
	}
	return s
}
