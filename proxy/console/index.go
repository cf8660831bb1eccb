package console

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed index.html
var indexSource string

var indexPage = template.Must(template.New("index").Parse(indexSource))

// index answers / with what is here and how the proxy is.
func (o Options) index(w http.ResponseWriter, r *http.Request) {
	var page bytes.Buffer
	err := indexPage.Execute(&page, struct {
		readiness
		Version, Proxy, Host string
		Metrics              bool
	}{o.look(r.Context()), o.Version, o.proxyAddress(r.Host), r.Host, o.Metrics != nil})
	if err != nil {
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write(page.Bytes())
}
