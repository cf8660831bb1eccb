package console

import (
	"net/http"

	"github.com/sallyport-project/sallyport/internal/printable"
	"github.com/sallyport-project/sallyport/proxy"
)

// pac answers /proxy.pac: the file that the proxy itself gives to clients.
func (o Options) pac(w http.ResponseWriter, r *http.Request) {
	script, err := proxy.PAC(o.proxyAddress(r.Host))
	if err != nil {
		http.Error(w, "the proxy has no address to give: "+printable.ASCII(err.Error(), 200), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/x-ns-proxy-autoconfig")
	w.Write(script)
}
