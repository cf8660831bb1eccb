package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/sallyport-project/sallyport/verify/apt/apttest"
	at "github.com/sallyport-project/sallyport/verify/authenticode/authenticodetest"
)

// drillAttack is a known attack, made again without its harm: programs that do nothing, signed by keys that exist while
// the drill runs.
type drillAttack struct {
	name  string
	title string // one line
	story string // what happened, and what is made of it here
	hosts []string
	own   bool // judged by a policy of the drill's own, which names the drill's keys
	stage func(*drillRange) ([]drillShot, error)
	// controls says what single controls would have made of the attack; nil where that would teach nothing.
	controls func(context.Context, *drillRange, []drillShot) ([]drillControl, error)
}

// drillShot is one thing that is served. A genuine one is what the vendor would have sent: it has to pass, or else the
// refusal of the other means nothing.
type drillShot struct {
	what    string
	url     string
	body    []byte
	genuine bool
	untold  string       // why an attack cannot be told from what is genuine; "" if it can, and has to be stopped
	before  func() error // changes what the origins serve
}

const (
	vendorHost    = "downloads-global.3cx.com"
	notepadHost   = "notepad-plus-plus.org"
	escanHost     = "update1.mwti.net"
	microsoftHost = "download.microsoft.com"
	debianHost    = "mirror.debian.org"
)

// drillAttacks are all that are known, in the order in which they are tried.
func drillAttacks() []drillAttack {
	return append([]drillAttack{
		attack3CX(),
		{
			name: "notepad++", title: "2025: the updater is led to an installer that nobody signed", hosts: []string{notepadHost},
			story: "From June to December 2025 some users of Notepad++ were given another installer than the vendor's when the updater asked for one. " +
				"Here the vendor's own URL answers with an installer that carries no signature.",
			stage: stageNotepad,
		},
		{
			name: "escan", title: "January 2026: an update whose signature does not fit", hosts: []string{escanHost},
			story: "On 20 January 2026 a regional update server of eScan sent a changed Reload.exe. It carried the vendor's signature, which no longer fitted the file. " +
				"Here a signed program is changed after signing, by one byte.",
			stage: stageEscan,
		},
		{
			name: "hijack", title: "a download site serves a program with a valid signature, by somebody else", hosts: []string{microsoftHost},
			story: "Whoever takes over a download site can buy a code-signing certificate, or steal one. The signature is valid and trusted; it is not the publisher's.",
			stage: stageHijack,
		},
		{
			name: "stripped", title: "a signature is taken away", hosts: []string{microsoftHost},
			story: "A changed program is sent without any signature, in the hope that only wrong ones are refused.",
			stage: stageStripped,
		},
		{
			name: "stuffed", title: "a program carries something beside its signature (CVE-2013-3900)", hosts: []string{microsoftHost},
			story: "Windows by default accepts bytes after the signature in a program's certificate table, which nobody signed. 3CX's attackers hid their code there.",
			stage: stageStuffed,
		},
		attackPolyglot(),
		{
			name: "tampered-mirror", title: "a mirror changes one byte of a package", hosts: []string{"tampered." + debianHost},
			story: "A mirror, or somebody between it and us, sends another package than the archive's signed index lists.",
			stage: stageTamperedMirror,
		},
		{
			name: "replay", title: "a mirror goes back to an old release with known holes", hosts: []string{"replay." + debianHost},
			story: "Every old release was validly signed once. A mirror that has shown a newer one shows an older one again, and offers the package with the hole.",
			stage: stageReplay,
		},
		{
			name: "freeze", title: "a mirror stays at the day before the fix", hosts: []string{"freeze." + debianHost},
			story: "A mirror keeps serving the release of a day long past, so that no fix ever arrives. The release says itself until when it is valid.",
			stage: stageFreeze,
		},
		attackAxios(),
		attackTanStack(),
	}, attacksTUF()...)
}

// put has an origin serve a file.
func (r *drillRange) put(host, path string, body []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	mux, ok := r.serve[host].(*http.ServeMux)
	if !ok {
		mux = http.NewServeMux()
		r.serve[host] = mux
	}
	mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(body)
	})
	return "https://" + host + path
}

// site is the origin of a host that serves files by their paths.
func (r *drillRange) site(host string) *fileSite {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.serve[host].(*fileSite)
	if !ok {
		s = &fileSite{}
		r.serve[host] = s
	}
	return s
}

// program is a signed program that does nothing.
func (r *drillRange) program(publisher string, seed uint64) []byte {
	signer := r.vendors.Issue(at.Leaf{Organization: publisher})
	image := at.BuildPE(at.Image{Size: 64 << 10, Seed: seed})
	return at.Sign(image, r.signature(signer))
}

func (r *drillRange) signature(signer *at.Signer) at.Signature {
	return at.Signature{Signer: signer, Timestamp: &at.Timestamp{Authority: r.clock, Time: time.Now().AddDate(0, 0, -30)}}
}

func stageNotepad(r *drillRange) ([]drillShot, error) {
	good := r.program("Notepad++", 1)
	bad := at.Strip(at.BuildPE(at.Image{Size: 64 << 10, Seed: 2}))
	return []drillShot{
		{what: "the vendor's installer", body: good, genuine: true, url: r.put(notepadHost, "/repository/8.x/npp.8.8.9.Installer.x64.exe", good)},
		{what: "an installer without a signature", body: bad, url: r.put(notepadHost, "/repository/8.x/npp.8.8.8.Installer.x64.exe", bad)},
	}, nil
}

func stageEscan(r *drillRange) ([]drillShot, error) {
	good := r.program("MicroWorld Technologies Inc.", 3)
	bad := append([]byte{}, good...)
	bad[4096] ^= 1
	return []drillShot{
		{what: "the vendor's update", body: good, genuine: true, url: r.put(escanHost, "/update/genuine/Reload.exe", good)},
		{what: "the update, changed after signing", body: bad, url: r.put(escanHost, "/update/Reload.exe", bad)},
	}, nil
}

func stageHijack(r *drillRange) ([]drillShot, error) {
	good, bad := r.program("Microsoft Corporation", 4), r.program("Busy Software Trading Ltd", 5)
	return []drillShot{
		{what: "the publisher's program", body: good, genuine: true, url: r.put(microsoftHost, "/download/drill/hijack/genuine.exe", good)},
		{what: "a program signed by another publisher", body: bad, url: r.put(microsoftHost, "/download/drill/hijack/setup.exe", bad)},
	}, nil
}

func stageStripped(r *drillRange) ([]drillShot, error) {
	good := r.program("Microsoft Corporation", 6)
	bad := at.Strip(good)
	return []drillShot{
		{what: "the publisher's program", body: good, genuine: true, url: r.put(microsoftHost, "/download/drill/stripped/genuine.exe", good)},
		{what: "the program without its signature", body: bad, url: r.put(microsoftHost, "/download/drill/stripped/setup.exe", bad)},
	}, nil
}

func stageStuffed(r *drillRange) ([]drillShot, error) {
	good := r.program("Microsoft Corporation", 7)
	bad := at.Stuff(good, inertPayload(drillPayload))
	return []drillShot{
		{what: "the publisher's program", body: good, genuine: true, url: r.put(microsoftHost, "/download/drill/stuffed/genuine.exe", good)},
		{what: fmt.Sprintf("the program with %d bytes behind its signature", drillPayload), body: bad, url: r.put(microsoftHost, "/download/drill/stuffed/setup.exe", bad)},
	}, nil
}

// drillPayload is how much is hidden behind signatures, in bytes, in the order of what the attackers of 3CX hid.
const drillPayload = 275_312

// inertPayload returns bytes that look encrypted and are nothing: a marker, and noise that is the same every time.
func inertPayload(n int) []byte {
	b := make([]byte, n)
	copy(b, "\xfe\xed\xfa\xce")
	x := uint64(0x9e3779b97f4a7c15)
	for i := 4; i < n; i++ {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return b
}

// suite is a release of the drill's archive with one version of one package.
func (r *drillRange) suite(name, version string, date time.Time, valid time.Duration) (apttest.Suite, apttest.Package, error) {
	deb, err := apttest.Deb("drill", version, "amd64", "it does nothing")
	if err != nil {
		return apttest.Suite{}, apttest.Package{}, err
	}
	s := apttest.Suite{
		Path: name, Origin: "Debian", Label: "Debian", Suite: "stable", Codename: name, Date: date, Packages: []apttest.Package{deb}, ByHash: true,
		Signers: []*apttest.Key{r.archive}, SignedAt: time.Now().Add(-time.Hour),
	}
	if valid != 0 {
		s.ValidUntil = date.Add(valid)
	}
	return s, deb, nil
}

func stageTamperedMirror(r *drillRange) ([]drillShot, error) {
	host := "tampered." + debianHost
	s, deb, err := r.suite("bookworm", "1.0", time.Now().Add(-2*time.Hour), 0)
	if err != nil {
		return nil, err
	}
	archive := apttest.NewArchive("/debian")
	if err := archive.Publish(s); err != nil {
		return nil, err
	}
	r.at(host, archive)
	path := deb.Path(false)
	changed := append([]byte{}, deb.Content...)
	changed[len(changed)/2] ^= 1
	url := "https://" + host + "/debian/" + path
	return []drillShot{
		{what: "the archive's package", body: deb.Content, genuine: true, url: url},
		{what: "the package with one byte changed", body: changed, url: url, before: func() error { archive.Set(path, changed); return nil }},
	}, nil
}

func stageReplay(r *drillRange) ([]drillShot, error) {
	host := "replay." + debianHost
	newer, deb, err := r.suite("trixie", "2.0", time.Now().Add(-2*time.Hour), 0)
	if err != nil {
		return nil, err
	}
	older, old, err := r.suite("trixie", "1.0", time.Now().AddDate(0, 0, -60), 0)
	if err != nil {
		return nil, err
	}
	older.SignedAt = time.Now().AddDate(0, 0, -60)
	archive := apttest.NewArchive("/debian")
	if err := archive.Publish(newer); err != nil {
		return nil, err
	}
	r.at(host, archive)
	release := "https://" + host + "/debian/dists/trixie/InRelease"
	before := apttest.NewArchive("/debian")
	if err := before.Publish(older); err != nil {
		return nil, err
	}
	return []drillShot{
		{what: "the newest release", body: archive.Get("dists/trixie/InRelease"), genuine: true, url: release},
		{what: "its package", body: deb.Content, genuine: true, url: "https://" + host + "/debian/" + deb.Path(false)},
		{what: "a release of sixty days ago", body: before.Get("dists/trixie/InRelease"), url: release, before: func() error {
			r.at(host, before)
			return nil
		}},
		{what: "the package of sixty days ago", body: old.Content, url: "https://" + host + "/debian/" + old.Path(false)},
	}, nil
}

func stageFreeze(r *drillRange) ([]drillShot, error) {
	host := "freeze." + debianHost
	s, deb, err := r.suite("bookworm-updates", "1.0", time.Now().AddDate(0, 0, -90), 7*24*time.Hour)
	if err != nil {
		return nil, err
	}
	s.SignedAt = time.Now().AddDate(0, 0, -90)
	archive := apttest.NewArchive("/debian")
	if err := archive.Publish(s); err != nil {
		return nil, err
	}
	r.at(host, archive)
	return []drillShot{
		{what: "a release that ended 83 days ago", body: archive.Get("dists/bookworm-updates/InRelease"), url: "https://" + host + "/debian/dists/bookworm-updates/InRelease"},
		{what: "its package", body: deb.Content, url: "https://" + host + "/debian/" + deb.Path(false)},
	}, nil
}
