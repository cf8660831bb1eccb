package policy

// testScans is what scanners say in a test: all have looked at everything and found nothing, unless it says otherwise.
func (b *builder) testScans(n node) map[string]Scan {
	if len(b.policy.scanners) == 0 && !n.get("scans").present() {
		return nil
	}
	out := map[string]Scan{}
	for _, s := range b.policy.scanners {
		out[s.Name] = Scan{Status: ScanClean, File: ScanClean, Inside: true, Files: 1}
	}
	for _, pair := range n.get("scans").pairs() {
		name := pair.key.text()
		if !contains(b.scannerNames(), name) {
			b.add(pair.key, nearest(name, b.scannerNames()), "there is no scanner %s", quote(name))
			continue
		}
		switch found := pair.value.get("found"); {
		case found.present():
			s := Scan{Status: ScanFound, File: ScanClean, Inside: true, Files: 1, Hits: []ScanHit{{Path: pair.value.get("path").text(), Name: found.text()}}}
			if s.Hits[0].Path == "" {
				s.File = ScanFound
			}
			out[name] = s
		case pair.value.text() != "clean":
			out[name] = Scan{Reason: "the scan failed, as the test has it"}
		}
	}
	return out
}
