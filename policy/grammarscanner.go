package policy

import (
	"fmt"
	"net"
	"net/url"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

func scannerShape() *shape {
	return &shape{what: "a scanner", keys: []key{
		{"clamd", "Where clamd listens: unix:/PATH or tcp:HOST:PORT.", false, value(aClamdAddress)},
		{"icap", "The URL of an ICAP service (RFC 3507), such as icap://av.example.org:1344/avscan.", false, value(anICAPURL)},
		{"command", "A program, with its whole path, and its arguments; {file} stands for the file's path, and without it the file comes on standard input.", false, listOf(value(anArgument), 1)},
		{"method", "How an ICAP server is asked: respmod (if left out) or reqmod.", false, word("respmod", "reqmod")},
		{"early", "What it means that an ICAP server has nothing to change before it has got the whole file: inconclusive (if left out), or clean.", false, word("inconclusive", "clean")},
		{"found", "How a command says that it has found something: output, by printing a line, or by its exit status.", false, &shape{what: "found", scalar: foundWord(), keys: []key{
			{"exit", "The statuses that mean it; 0 means that nothing was found.", true, listOf(value(anExitStatus), 1)},
		}}},
		{"max_size", "The largest file that it is given; 100MiB if left out.", false, value(aSize)},
		{"too_large", "What a larger file is: inconclusive (if left out); or contents: a container that is no program counts as scanned if all in it was.", false, word("inconclusive", "contents")},
		{"timeout", "How long one file may take; 1m if left out.", false, value(aDuration)},
		{"total", "How long one update may take with everything inside; 10m if left out.", false, value(aDuration)},
		{"remember", "How long it is not asked again about the same update while its signatures are the same: 1h if left out, at most 7d.", false, value(aDuration)},
		{"at_once", "How many files it is given at once; 4 if left out.", false, value(anAtOnce)},
	}}
}

// scanShape is scanners that are asked: a list of their names, or a mapping that says more.
func scanShape() *shape {
	return &shape{what: "scan", least: 1, list: value(aScannerName), keys: []key{
		{"scanners", "The scanners to ask.", true, listOf(value(aScannerName), 1)},
		{"inside", "Whether they are given everything inside, too: true if left out.", false, value(aBoolean)},
	}}
}

// scanCaseShape is what scanners say in a test.
func scanCaseShape() *shape {
	said := &shape{what: "the outcome of a scan", scalar: &scalar{what: "clean or failed", words: []string{"clean", "failed"}}, keys: []key{
		{"found", "What is found, as the scanner calls it.", true, value(aText)},
		{"path", "The inner file in which; the update itself if left out.", false, value(aText)},
	}}
	return &shape{names: said, naming: aScannerName}
}

var (
	aScannerName  = &scalar{what: "the name of a scanner", check: checkScannerName, pattern: feedNamePattern.String()}
	aClamdAddress = &scalar{what: "unix:/PATH or tcp:HOST:PORT", check: errorOf(parseClamd)}
	anICAPURL     = &scalar{what: "an icap URL", check: errorOf(parseICAP)}
	anArgument    = &scalar{what: "an argument of a command", check: checkArgument}
	anExitStatus  = &scalar{what: "an exit status from 1 to 255", kind: number, check: errorOf(parseExit)}
	anAtOnce      = &scalar{what: "a whole number from 1 to 64", kind: number, check: errorOf(parseAtOnce)}
)

func foundWord() *scalar {
	return &scalar{what: "output, or a mapping with exit", words: []string{"output"}}
}

func checkScannerName(s string) error {
	if !feedNamePattern.MatchString(s) {
		return fmt.Errorf("%s is no name of a scanner: it has 1 to 64 of a-z, 0-9, dot, dash and underscore, and begins with neither dot nor dash", quote(s))
	}
	return nil
}

// parseClamd returns the network and the address of a clamd, as package net takes them.
func parseClamd(s string) ([2]string, error) {
	wrong := fmt.Errorf("%s is no address of a clamd: write unix:/PATH or tcp:HOST:PORT", quote(s))
	network, address, _ := strings.Cut(s, ":")
	switch network {
	case "unix":
		if !path.IsAbs(address) || strings.ContainsRune(address, 0) {
			return [2]string{}, wrong
		}
	case "tcp":
		if checkAddress(address) != nil {
			return [2]string{}, wrong
		}
	default:
		return [2]string{}, wrong
	}
	return [2]string{network, address}, nil
}

func checkAddress(s string) error {
	host, port, err := net.SplitHostPort(s)
	if n, bad := strconv.Atoi(port); err != nil || bad != nil || n < 1 || n > 65535 || host == "" || strings.ContainsAny(host, " /\\@\r\n\t") {
		return fmt.Errorf("%s is no HOST:PORT", quote(s))
	}
	return nil
}

// parseICAP reads the URL of an ICAP service (RFC 3507 section 4.2).
func parseICAP(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "icap" || u.User != nil || u.Fragment != "" || len(u.Path) < 2 || strings.ContainsAny(s, " \r\n\t") {
		return nil, fmt.Errorf("%s is no URL of an ICAP service: write one such as icap://av.example.org:1344/avscan", quote(s))
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), "1344")
	}
	if checkAddress(u.Host) != nil {
		return nil, fmt.Errorf("%s is no URL of an ICAP service: %s is no host and port", quote(s), quote(u.Host))
	}
	return u, nil
}

func checkArgument(s string) error {
	if strings.ContainsRune(s, 0) {
		return fmt.Errorf("%s holds a NUL, which no argument of a command can", quote(s))
	}
	return checkText(s)
}

func parseExit(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 255 {
		return 0, fmt.Errorf("%s is no exit status from 1 to 255", quote(s))
	}
	return n, nil
}

func parseAtOnce(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > 64 {
		return 0, fmt.Errorf("%s is no whole number from 1 to 64", quote(s))
	}
	return n, nil
}

// absolute reports whether a program is named by its whole path, on whatever system.
func absolute(program string) bool { return path.IsAbs(program) || filepath.IsAbs(program) }
