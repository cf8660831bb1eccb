package alert

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/sallyport-project/sallyport/internal/printable"
)

// How long the values of fields are at most, in characters (CEF's extension dictionary).
const (
	cefText  = 1023
	cefShort = 255
)

// cef returns an event as CEF, as seen by one of its clients if it is not nil. Fields that would make the line longer than limit bytes
// are left out, the last ones first; the text is cut.
func (e *Event) cef(version string, client *Access, limit int) string {
	var b strings.Builder
	b.WriteString("CEF:0|Sallyport|Sallyport|")
	for _, field := range []string{version, string(e.Kind), headlines[e.Kind], strconv.Itoa(e.Severity)} {
		b.WriteString(cefHeader(field))
		b.WriteByte('|')
	}
	between := ""
	put := func(key, value, label string, most int) bool {
		piece := between + key + "=" + cefValue(value, most)
		if label != "" {
			piece = between + key + "Label=" + label + " " + key + "=" + cefValue(value, most)
		}
		if b.Len()+len(piece) > limit {
			return false
		}
		b.WriteString(piece)
		between = " "
		return true
	}
	for _, f := range e.fields(client) {
		if f.value != "" {
			put(f.key, f.value, f.label, f.most)
		}
	}
	for most := cefText; e.Text != "" && most > 16 && !put("msg", e.Text, "", most); {
		most = most * 3 / 4
	}
	return b.String()
}

// cefField is a key with its value, of which so many characters are written at most, and with the label that says what it is.
type cefField struct {
	key, value string
	most       int
	label      string
}

// fields are what CEF says of an event, what matters most first, and before what strangers may have made long.
func (e *Event) fields(client *Access) []cefField {
	digest := ""
	if !e.SHA256.IsZero() {
		digest = e.SHA256.String()
	}
	list := []cefField{
		{key: "rt", value: millis(e.Time), most: cefShort}, {key: "dvchost", value: e.Host, most: cefShort}, {key: "externalId", value: e.Record, most: cefShort},
		{key: "act", value: string(e.Kind), most: cefShort}, {key: "fileHash", value: digest, most: cefShort},
	}
	channel, rule := e.Channel, e.Rule
	if client != nil {
		list = append(list, client.fields()...)
		channel, rule = or(client.Channel, channel), or(client.Rule, rule)
	}
	if e.Count > 0 {
		list = append(list, cefField{key: "cnt", value: strconv.Itoa(e.Count), most: cefShort})
	}
	if e.HeldBack > 0 {
		list = append(list, cefField{"cn1", strconv.Itoa(e.HeldBack), cefShort, "held back"})
	}
	if !e.Until.IsZero() {
		list = append(list, cefField{"deviceCustomDate1", millis(e.Until), cefShort, "until"})
	}
	for i, c := range []struct{ label, value string }{
		{"channel", channel}, {"rule", rule}, {"source", e.Source}, {"listed", strings.TrimSpace(e.Value + " " + e.Label)}, {"by", e.By}, {"agreed", strings.Join(e.Approvers, ", ")},
	} {
		list = append(list, cefField{"cs" + strconv.Itoa(i+1), c.value, cefText, c.label})
	}
	list = append(list, cefField{key: "fname", value: e.Name, most: cefText}, cefField{key: "filePath", value: e.Path, most: cefText})
	if client != nil {
		list = append(list, cefField{key: "request", value: client.URL, most: cefText})
	}
	return list
}

// fields are what CEF says of one access, but for its URL. An IPv6 address has a field of its own.
func (a *Access) fields() []cefField {
	var list []cefField
	if addr, err := netip.ParseAddr(a.Addr); err == nil && addr.Is6() {
		list = append(list, cefField{"c6a2", a.Addr, cefShort, "Source IPv6 Address"})
	} else if err == nil {
		list = append(list, cefField{key: "src", value: a.Addr, most: cefShort})
	}
	outcome := ""
	if a.Received {
		outcome = "received"
	}
	return append(list, cefField{key: "suser", value: a.User, most: cefShort}, cefField{key: "start", value: millis(a.Time), most: cefShort},
		cefField{key: "outcome", value: outcome, most: cefShort}, cefField{key: "deviceExternalId", value: a.Record, most: cefShort})
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func millis(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

var (
	headerEscapes = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
	valueEscapes  = strings.NewReplacer(`\`, `\\`, `=`, `\=`)
)

// cefHeader writes a field of the header, in which the bar ends it.
func cefHeader(s string) string { return headerEscapes.Replace(printable.Text(s, cefShort)) }

// cefValue writes a value of the extension, in which an equals sign would begin another one. Line ends are no characters of a
// printable text.
func cefValue(s string, most int) string { return valueEscapes.Replace(printable.Text(s, most)) }
