package proxy

import "testing"

func TestCanonicalHost(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM.": "example.com", "a_b.example": "a_b.example", "bücher.example": "xn--bcher-kva.example", "BÜCHER.example": "xn--bcher-kva.example",
		"127.0.0.1": "127.0.0.1", "::FFFF:10.0.0.1": "10.0.0.1", "2001:DB8:0::1": "2001:db8::1", "localhost": "localhost",
		"1.2.3.4.example": "1.2.3.4.example", "0xcafe.example": "0xcafe.example", "３.example": "3.example",
	} {
		if got, err := canonicalHost(in); got != want || err != nil {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{"", ".", "a..b", "a.", "127.1", "0x7f.1", "2130706433", "0x7f000001", "127.0.0.1.", "127.0.0.01", "1.2.3.4.5", "fe80::1%eth0",
		"a b", "a\x00b", "a/b", "a@b", "a%2eb", "a:b", "*.example", "xn--a.example", "\u202eexample", "a\u3002", "１２７.0.0.1"} {
		if got, err := canonicalHost(in); err == nil && in != "a." && in != "127.0.0.1." && in != "a\u3002" && in != "１２７.0.0.1" {
			t.Errorf("%q was taken as %q", in, got)
		}
	}
}

func TestParseTarget(t *testing.T) {
	for in, want := range map[string]target{
		"a.example:443": {"a.example", 443}, "[::1]:8443": {"::1", 8443}, "[::ffff:1.2.3.4]:1": {"1.2.3.4", 1}, "a.example:0443": {"a.example", 443},
	} {
		if got, err := parseTarget(in, 0); got != want || err != nil {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", ":", ":443", "a", "a:", "a:b", "a:0", "a:65536", "a:-1", "a:+1", "::1:443", "[::1", "[::1]", "[a]:1", "[1.2.3.4]:1", "a:1:2", "[::1]x:1"} {
		if got, err := parseTarget(in, 0); err == nil {
			t.Errorf("%q was taken as %v", in, got)
		}
	}
	if got, err := parseTarget("a.example", 80); err != nil || got.urlHost("http") != "a.example" || got.urlHost("https") != "a.example:80" {
		t.Errorf("%v %v", got, err)
	}
	if got, _ := parseTarget("[::1]", 443); got.urlHost("https") != "[::1]" || got.authority() != "[::1]:443" {
		t.Errorf("%v", got)
	}
}

func FuzzTarget(f *testing.F) {
	for _, s := range []string{"a.example:443", "[::1]:1", "127.1:80", "bücher.example:1", "xn--bcher-kva.example:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTarget(s, 80)
		if err != nil {
			return
		}
		if again, err := parseTarget(got.authority(), 0); again != got || err != nil {
			t.Errorf("%q is %v, and that is %v (%v)", s, got, again, err)
		}
	})
}
