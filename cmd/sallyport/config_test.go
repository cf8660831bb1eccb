package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func writeConfig(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sallyport.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestConfigReportsEveryProblemWithItsPlace(t *testing.T) {
	path := writeConfig(t, `listen: 3128
lisen: 127.0.0.1:3128
console: off
console: 127.0.0.1:1
log: {level: infos, format: json}
limits:
  update: 8Gib
  vault: 1GiB
  connections: many
  clients: 3
timeouts: [1s]
upstream:
  roots: corporate.pem
  resolve: {a.example: 10.0.0.1, a.example: 10.0.0.2}
  proxy: ftp://user:secret@proxy.example
ca: {cert: ca.pem}
shutdown_grace: -3s
auth: {htpasswd: }
`)
	_, err := loadConfig(path)
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.ReplaceAll(err.Error(), path, "F")
	want := []string{
		`F:1:9: listen: "3128" is no address; write it like 127.0.0.1:3128, [::1]:3128 or :3128`,
		`F:2:1: unknown key "lisen" in the file; the nearest is "listen"`,
		`F:4:1: key "console" is given twice`,
		`F:5:14: log.level: "infos" is not known; the nearest is "info"`,
		`F:7:11: limits.update: "8Gib" is no size; write it like 8GiB, 500MB or 4096`,
		`F:7:11: limits.update: an update as large as limits.update would not fit into limits.vault`,
		`F:9:16: limits.connections is to be a whole number`,
		`F:10:3: unknown key "clients" in limits; the nearest is "client"`,
		`F:11:11: timeouts is to be a mapping of keys to values`,
		`F:13:10: upstream.roots is to be a list, such as [a, b]`,
		`F:14:34: upstream.resolve: "a.example" is given twice`,
		`F:15:10: upstream.proxy: is to begin with http:// or https://`,
		`F:16:12: ca.cert: a certificate of one's own needs its key: set ca.key too`,
		`F:17:17: shutdown_grace: "-3s" is out of range: it has to be more than nothing`,
		`F:18:18: auth.htpasswd has no value; leave the key out for its default`,
	}
	lines := strings.Split(got, "\n")
	for i, w := range want {
		if i >= len(lines) || lines[i] != w {
			t.Fatalf("line %d: want %s\ngot:\n%s", i, w, got)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d lines instead of %d:\n%s", len(lines), len(want), got)
	}
	if strings.Contains(got, "secret") {
		t.Error("the password of the parent proxy is in the error")
	}
}

func TestConfigSyntaxErrorHasItsPlace(t *testing.T) {
	path := writeConfig(t, "listen: 127.0.0.1:1\nlog: {level: info\n")
	_, err := loadConfig(path)
	if err == nil || !strings.HasPrefix(err.Error(), path+":") {
		t.Fatalf("got %v", err)
	}
}

func TestConfigNamesAreRelativeToTheFile(t *testing.T) {
	path := writeConfig(t, "state: state\npolicy: /etc/p.yaml\nupstream: {roots: [a.pem]}\ntrust: {code_signing: roots/c.pem}\n")
	c, err := loadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for got, want := range map[string]string{
		c.State:             filepath.Join(dir, "state"),
		c.Policy:            "/etc/p.yaml",
		c.Upstream.Roots[0]: filepath.Join(dir, "a.pem"),
		c.Trust.CodeSigning: filepath.Join(dir, "roots/c.pem"),
		c.CA.Cert:           "",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestConfigExampleSaysTheDefaults(t *testing.T) {
	c, err := loadConfig("../../configs/sallyport.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want, err := loadConfig("")
	if err != nil {
		t.Fatal(err)
	}
	for name, same := range map[string]bool{
		"listen": c.Listen == want.Listen, "console": c.Console == want.Console, "log": c.Log == want.Log,
		"limits": c.Limits == want.Limits, "timeouts": c.Timeouts == want.Timeouts, "ca": c.CA == want.CA,
		"shutdown_grace": c.ShutdownGrace == want.ShutdownGrace,
	} {
		if !same {
			t.Errorf("%s in configs/sallyport.yaml is not the default", name)
		}
	}
}

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{
		"8GiB": 8 << 30, "64 KiB": 65536, "1.5MiB": 3 << 19, "4096": 4096, "2kB": 2000, "7B": 7,
		"": -1, "GiB": -1, "-1": -1, "0": -1, "1e30": -1, "NaN": -1, "9223372036854775807": -1, "8 gib": -1, "0.2": -1,
	} {
		var b byteSize
		err := b.UnmarshalText([]byte(text))
		if err != nil && want != -1 || err == nil && int64(b) != want {
			t.Errorf("%q: got %d, %v; want %d", text, b, err, want)
		}
	}
	if s := byteSize(3 << 29).String(); s != "1.5GiB" {
		t.Errorf("1.5 GiB is shown as %s", s)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"25s": 25 * time.Second, "14d": 14 * 24 * time.Hour, "1h30m": 90 * time.Minute,
		"0": 0, "-1s": 0, "": 0, "d": 0, "99999999999d": 0, "5": 0,
	} {
		var d duration
		err := d.UnmarshalText([]byte(text))
		if err != nil && want != 0 || err == nil && time.Duration(d) != want {
			t.Errorf("%q: got %v, %v; want %v", text, time.Duration(d), err, want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"listen", "console", "limits", "timeouts"}
	for got, want := range map[string]string{
		"lisen": "listen", "limit": "limits", "time-outs": "timeouts", "LISTEN": "listen", "banana": "", "": "", "xy": "",
	} {
		if near := nearest(got, names); near != want {
			t.Errorf("nearest(%q) = %q, want %q", got, near, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add("listen: :1\n")
	f.Add("limits: {vault: 1GiB}\n? [a]\n: b\n")
	f.Add("a: &x [*x]\n<<: *x\n---\n")
	f.Add("upstream: {resolve: {? {a: b} : c}}")
	f.Fuzz(func(t *testing.T, text string) {
		c := defaultConfig()
		p := decodeStrict("f", []byte(text), &c)
		c.check(p)
		p.err()
	})
}
