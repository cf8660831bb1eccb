package alert

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatWaitsOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	down := newReceiver(t, func(int) int { return http.StatusInternalServerError })
	a, err := New([]Sink{{Name: "soc", Webhook: down.URL}}, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		e := regretted()
		e.Text = fmt.Sprint(i)
		if lost, err := a.sinks[0].queue.put(e); lost || err != nil {
			t.Fatal(lost, err)
		}
	}
	os.WriteFile(filepath.Join(dir, "soc", "00000000000000000009.json"), []byte("{broken"), 0o600)
	os.WriteFile(filepath.Join(dir, "soc", "what"), nil, 0o600)
	os.Mkdir(filepath.Join(dir, "gone"), 0o700)
	up := newReceiver(t, nil)
	running(t, Options{Dir: dir}, Sink{Name: "soc", Webhook: up.URL})
	await(t, "delivery", func() bool { return len(up.got()) == 3 })
	for i, body := range up.got() {
		if !strings.Contains(body, fmt.Sprintf(`"text":"%d"`, i)) || !strings.Contains(body, `"user":"alice"`) {
			t.Errorf("%d: %s", i, body)
		}
	}
	await(t, "tidying up", func() bool {
		left, _ := os.ReadDir(filepath.Join(dir, "soc"))
		others, _ := os.ReadDir(dir)
		return len(left) == 0 && len(others) == 1
	})
}

func TestTheLeastGraveGoesFirstWhereThereIsNoRoom(t *testing.T) {
	q, err := openQueue(t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	put := func(k Kind, text string) bool {
		lost, err := q.put(Event{Kind: k, Text: text}.finished())
		if err != nil {
			t.Fatal(err)
		}
		return lost
	}
	put(Quarantine, "1")
	put(Regret, "2")
	put(Quarantine, "3")
	if !put(Regret, "4") || !put(Block, "5") || !put(Quarantine, "6") {
		t.Error("nothing was dropped")
	}
	var left []string
	for {
		n, e, ok := q.head()
		if !ok {
			break
		}
		left = append(left, e.Text)
		q.done(n)
	}
	if got := strings.Join(left, " "); got != "2 4 5" {
		t.Errorf("left: %s", got)
	}
}

// One client that is refused over and over is not what a sink hears of most; what it did is told of once in a while, with a count.
func TestOneBadClientDoesNotFlood(t *testing.T) {
	l := newLimit(60)
	block := func(client, name string, n int) Event {
		return Event{Kind: Block, Rule: "deny x", Name: name, SHA256: [32]byte{byte(n), byte(n >> 8)}, Clients: []Access{{Addr: client}}}.finished()
	}
	now, passed := noon, 0
	for i := range 1000 {
		e := block("10.0.0.1", "a", i)
		if l.allow(&e, now) {
			passed++
		}
	}
	if passed != clientRate {
		t.Errorf("%d events of one client in a moment", passed)
	}
	other := block("10.0.0.2", "a", 1)
	if !l.allow(&other, now) || other.HeldBack != 990 {
		t.Errorf("another client: held back %d", other.HeldBack)
	}
	again := block("10.0.0.2", "a", 1)
	if l.allow(&again, now.Add(time.Minute)) {
		t.Error("the same again after a minute")
	}
	if again = block("10.0.0.2", "a", 1); !l.allow(&again, now.Add(repeatAfter)) {
		t.Error("the same is news again after a while")
	}
	regret := regretted()
	if !l.allow(&regret, now) {
		t.Error("a regret was held back because of blocks")
	}
	for i := range 300 {
		e := regretted()
		e.SHA256 = [32]byte{byte(i), byte(i >> 8), 7}
		l.allow(&e, now)
	}
	rest := l.rest(now.Add(time.Minute))
	if len(rest) != 1 || rest[0].Kind != Regret || rest[0].HeldBack != 300-59 || !strings.Contains(rest[0].Text, "alerts of the kind regret that were held back: 241;") {
		t.Errorf("%+v", rest)
	}
	for i := range 3 * maxRemembered {
		e := block(fmt.Sprint("client", i), "a", i)
		l.allow(&e, now.Add(time.Hour))
	}
	if len(l.told) > maxRemembered || len(l.clients) > maxRemembered {
		t.Errorf("%d keys, %d clients are remembered", len(l.told), len(l.clients))
	}
}

func TestSinksThatMakeNoSenseAreRefused(t *testing.T) {
	for _, s := range []Sink{
		{Name: "a"}, {Name: "a", Webhook: "https://x.example", Syslog: "udp://x:1"}, {Name: "../a", Webhook: "https://x.example"}, {Name: "", Syslog: "udp://x:1"},
		{Name: "a", Syslog: "http://x:1"}, {Name: "a", Syslog: "tls://x"}, {Name: "a", Syslog: "unix://host/p"}, {Name: "a", Syslog: "udp://x:1", Facility: 24},
	} {
		if _, err := New([]Sink{s}, Options{}); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

// Another client who turns out to have got the same, and a release on another channel, are no repetition.
func TestNobodyIsLeftOutAsARepetition(t *testing.T) {
	l := newLimit(60)
	for _, e := range []Event{
		{Kind: Regret, Record: "1", SHA256: [32]byte{1}, Source: "feed bad", Value: "x"}, {Kind: Regret, Record: "2", SHA256: [32]byte{1}, Source: "feed bad", Value: "x"},
		{Kind: Release, Record: "3", SHA256: [32]byte{1}, Channel: "a"}, {Kind: Release, Record: "4", SHA256: [32]byte{1}, Channel: "b"},
		{Kind: Recall, Record: "5", SHA256: [32]byte{1}, Text: "x"}, {Kind: Recall, Record: "6", SHA256: [32]byte{1}, Text: "x"},
	} {
		if !l.allow(&e, noon) {
			t.Errorf("%s %s is held back", e.Kind, e.Record)
		}
	}
}

// The largest event there can be comes back from the disk.
func TestTheLargestEventOutlivesTheProcess(t *testing.T) {
	dir := t.TempDir()
	q, err := openQueue(dir, 10)
	if err != nil {
		t.Fatal(err)
	}
	e := regretted()
	wide := "\U0001f6aa"
	one := Access{User: strings.Repeat(wide, 200), URL: strings.Repeat(wide, 1000), Rule: strings.Repeat(wide, 300)}
	for e.Clients = nil; len(e.Clients) < MaxClients; {
		e.Clients = append(e.Clients, one)
	}
	for _, s := range []*string{&e.Text, &e.Name, &e.Path, &e.Source, &e.Value, &e.Label, &e.Reason, &e.By, &e.Channel, &e.Rule} {
		*s = strings.Repeat(wide, 1000)
	}
	if _, err := q.put(e); err != nil {
		t.Fatal(err)
	}
	if q, err = openQueue(dir, 10); err != nil || q.len() != 1 {
		t.Errorf("%d events, %v", q.len(), err)
	}
}
