package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/sallyport-project/sallyport/verify/verifytest/fetch"
)

// fetchMissing has the ordinary clients fetch what is not there, for the kinds that are judged and for their keys. What
// cannot be had is listed; it is no error.
func fetchMissing(ctx context.Context, st *store, rows []row, o options, log io.Writer) {
	wanted := map[fetch.Package][]fetch.File{}
	var order []fetch.Package
	for _, r := range rows {
		if !o.wants(r) || st.find(r.file, r.sha256) != nil {
			continue
		}
		p, inner, err := parseSource(r)
		if err != nil {
			fmt.Fprintf(log, "corpus: %s cannot be fetched: %v\n", r.file, err)
			continue
		}
		if wanted[p] == nil {
			order = append(order, p)
		}
		wanted[p] = append(append(wanted[p], fetch.File{Name: r.file, Inner: inner, SHA256: r.sha256}), companions(r, p, inner)...)
	}
	for i, p := range order {
		fmt.Fprintf(log, "corpus: %d/%d: %s %s\n", i+1, len(order), p.Client, p.Spec)
		if err := fetch.Fetch(ctx, p, unique(wanted[p]), o.fetch); err != nil {
			fmt.Fprintf(log, "corpus: %s cannot be had: %s\n", wanted[p][0].Name, shorten(err.Error()))
		}
	}
}

// wants reports whether a row is a sample that will be judged, or a key that may be needed for it.
func (o options) wants(r row) bool {
	_, judged := kinds[r.kind]
	return judged && (o.kind == "" || o.kind == r.kind) || strings.HasSuffix(r.kind, "key")
}

// parseSource reads where a sample comes from.
func parseSource(r row) (p fetch.Package, inner string, err error) {
	words := strings.Fields(r.source)
	clients := map[string]string{"npm": "npm", "go-module": "go", "debian-deb": "deb"}
	switch {
	case len(words) < 2:
		return p, "", errors.New("the manifest does not say where it is from")
	case clients[words[0]] != "" && len(words) > 2:
		return fetch.Package{Client: clients[words[0]], Spec: words[1]}, strings.Join(words[2:], " "), nil
	case words[0] == "debian-apt":
		inner = words[len(words)-1]
		spec := words[len(words)-2]
		if name, ok := strings.CutSuffix(inner, ".dsc"); ok {
			spec = strings.Replace(name, "_", "=", 1)
		}
		return fetch.Package{Client: "source", Spec: spec}, inner, nil
	}
	return p, "", fmt.Errorf("%s is no package of npm, go or apt", words[0])
}

// companions are files that lie beside a sample in its package and belong to it: what a signature is of, or the
// signature, or the key. The client has checked them.
func companions(r row, p fetch.Package, inner string) (out []fetch.File) {
	add := func(name, inner string) {
		out = append(out, fetch.File{Name: name, Inner: inner, Optional: true})
	}
	for _, end := range []string{".asc", ".minisig"} {
		if r.kind != "openpgp-detached" && r.kind != "minisign" {
			break
		}
		if name, ok := strings.CutSuffix(r.file, end); ok {
			add(name, strings.TrimSuffix(inner, end))
		}
	}
	switch {
	case p.Client == "source" && r.kind == "openpgp-detached" && !strings.HasSuffix(inner, ".asc"):
		add(r.file+".asc", inner+".asc")
	case p.Client == "go" && r.kind == "minisign":
		add(path.Join(path.Dir(r.file), "minisign.pub"), path.Join(path.Dir(inner), "minisign.pub"))
	}
	return out
}

func unique(files []fetch.File) (out []fetch.File) {
	seen := map[string]bool{}
	for _, f := range files {
		if !seen[f.Name] {
			seen[f.Name] = true
			out = append(out, f)
		}
	}
	return out
}

// shorten keeps the last line of what a client said, which has the reason.
func shorten(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
