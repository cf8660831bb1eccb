package versions

import "strings"

// compareDebian orders versions as deb-version(7) says: epoch, upstream version, revision.
func compareDebian(a, b string) (int, bool) {
	return compareEVR(a, b, func(x, y evr) int {
		if order := debianOrder(x.version, y.version); order != 0 {
			return order
		}
		return debianOrder(x.release, y.release)
	})
}

// compareRPM orders versions as rpm-version(7) says: epoch, version, release; a release that one side leaves out is not compared.
func compareRPM(a, b string) (int, bool) {
	return compareEVR(a, b, func(x, y evr) int {
		order := rpmOrder(x.version, y.version)
		if order == 0 && x.release != "" && y.release != "" {
			order = rpmOrder(x.release, y.release)
		}
		return order
	})
}

// evr is the parts of a distribution's version: epoch:version-release.
type evr struct{ epoch, version, release string }

// compareEVR compares by epoch, and where those are equal by order. It reports whether both are versions.
func compareEVR(a, b string, order func(x, y evr) int) (int, bool) {
	if len(a) > maxVersion || len(b) > maxVersion || a == "" || b == "" {
		return 0, false
	}
	x, ok := splitEVR(a)
	y, fine := splitEVR(b)
	if !ok || !fine {
		return 0, false
	}
	if c := compareNumbers(x.epoch, y.epoch); c != 0 {
		return c, true
	}
	return order(x, y), true
}

func splitEVR(s string) (v evr, ok bool) {
	if e, rest, has := strings.Cut(s, ":"); has {
		if v.epoch, s = e, rest; !isDigits(e) {
			return evr{}, false
		}
	}
	v.version = s
	if i := strings.LastIndex(s, "-"); i >= 0 {
		v.version, v.release = s[:i], s[i+1:]
	}
	return v, v.version != ""
}

// debianOrder compares by turns the parts without digits, in which a tilde is below the end and letters are below all
// else, and the numbers.
func debianOrder(a, b string) int {
	for a != "" || b != "" {
		for a != "" && !isDigit(a[0]) || b != "" && !isDigit(b[0]) {
			if x, y := debianWeight(a), debianWeight(b); x != y {
				return sign(x - y)
			}
			a, b = rest(a), rest(b)
		}
		var x, y string
		x, a = number(a)
		y, b = number(b)
		if order := compareNumbers(x, y); order != 0 {
			return order
		}
	}
	return 0
}

func debianWeight(s string) int {
	switch {
	case s == "" || isDigit(s[0]):
		return 0
	case s[0] == '~':
		return -1
	case isLetter(s[0]):
		return int(s[0])
	}
	return int(s[0]) + 256
}

func rest(s string) string {
	if s == "" || isDigit(s[0]) {
		return s
	}
	return s[1:]
}

// number splits off the digits at the start.
func number(s string) (digits, after string) {
	i := 0
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func word(s string) (letters, after string) {
	i := 0
	for i < len(s) && isLetter(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func rpmSeparator(c byte) bool { return !isDigit(c) && !isLetter(c) && c != '~' && c != '^' }

func rpmOrder(a, b string) int {
	for a != "" || b != "" {
		for a != "" && rpmSeparator(a[0]) {
			a = a[1:]
		}
		for b != "" && rpmSeparator(b[0]) {
			b = b[1:]
		}
		if order, done := rpmMarks(&a, &b); done {
			return order
		}
		if a == "" || b == "" {
			break
		}
		if order := rpmSegment(&a, &b); order != 0 {
			return order
		}
	}
	return sign(len(a) - len(b))
}

// rpmMarks handles the tilde, which is below everything, and the caret, which is above the end and below all else.
func rpmMarks(a, b *string) (order int, done bool) {
	for {
		x, y := (*a + "\x00")[0], (*b + "\x00")[0]
		switch {
		case x == '~' && y == '~', x == '^' && y == '^':
			*a, *b = (*a)[1:], (*b)[1:]
			continue
		case x == '~':
			return -1, true
		case y == '~':
			return 1, true
		case x == '^':
			return map[bool]int{true: 1, false: -1}[*b == ""], true
		case y == '^':
			return map[bool]int{true: -1, false: 1}[*a == ""], true
		}
		return 0, false
	}
}

func rpmSegment(a, b *string) int {
	if (isDigit((*a)[0])) != (isDigit((*b)[0])) {
		if isDigit((*a)[0]) { // a number is newer than a word
			return 1
		}
		return -1
	}
	var x, y string
	if isDigit((*a)[0]) {
		x, *a = number(*a)
		y, *b = number(*b)
		return compareNumbers(x, y)
	}
	x, *a = word(*a)
	y, *b = word(*b)
	return strings.Compare(x, y)
}

// compareGem orders versions as Gem::Version does: numbers by value, words below numbers, what is missing is 0.
func compareGem(a, b string) (int, bool) {
	x, ok := gemSegments(a)
	y, fine := gemSegments(b)
	if !ok || !fine {
		return 0, false
	}
	for i := range max(len(x), len(y)) {
		if order := compareGemSegment(at(x, i), at(y, i)); order != 0 {
			return order, true
		}
	}
	return 0, true
}

func compareGemSegment(a, b string) int {
	x, y := isDigits(a), isDigits(b)
	switch {
	case x && y:
		return compareNumbers(a, b)
	case x:
		return 1
	case y:
		return -1
	}
	return strings.Compare(a, b)
}

func gemSegments(s string) (list []string, ok bool) {
	if len(s) > maxVersion || s == "" || !isDigit(s[0]) {
		return nil, false
	}
	s, platform, has := strings.Cut(s, "-")
	if has {
		s += ".pre." + platform
	}
	for s != "" {
		var part string
		switch {
		case isDigit(s[0]):
			part, s = number(s)
		case isLetter(s[0]):
			part, s = word(s)
		case s[0] == '.':
			s = s[1:]
			continue
		default:
			return nil, false
		}
		list = append(list, part)
	}
	return list, true
}
