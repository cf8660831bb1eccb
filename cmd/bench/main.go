// Command bench measures a built sallyport beside its peers, in one run on one machine: goproxy alone, net/http serving
// a file, and curl without any proxy; where they are installed, the tools that verify one kind of signature each; and the
// libraries for Sigstore and TUF that Sallyport is built on, bare. It prints a table of ratios, medians of several rounds
// taken in turn, so that a machine whose speed drifts slows all of them alike. It judges nothing and is no test.
//
// The binary plays every part but curl's and the tools': it starts itself again as the origin, as the goproxy peer, as the
// bare libraries and to make packages, so that each part is a process of its own whose processor time and memory the
// kernel accounts for.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	part := flag.String("part", "", "used by bench itself: origin, goproxy, packages, repositories, sigstore or tuf")
	rounds := flag.Int("rounds", 5, "rounds of each measurement")
	only := flag.String("only", "", "run only the measurements whose name or group (proxy, inside, tools, frameworks) contains this")
	binary := flag.String("sallyport", "", "a built sallyport; empty builds one")
	dir := flag.String("dir", "", "where the samples of the parts lie (used by bench itself)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch *part {
	case "origin":
		return serveOrigin(ctx, *dir)
	case "goproxy":
		return servePeer(ctx, *dir)
	case "packages":
		return makePackages(*dir)
	case "repositories":
		return serveRepositories(ctx, *dir)
	case "sigstore":
		return verifyBare(flag.Args())
	case "tuf":
		return downloadBare(flag.Args())
	case "":
	default:
		return fmt.Errorf("there is no part %q", *part)
	}
	stage, err := newStage(ctx, *binary, *rounds)
	if err != nil {
		return err
	}
	defer stage.close()
	fmt.Printf("%-52s %10s %10s %8s %8s\n", "measurement", "sallyport", "peer", "ratio", "aim")
	for _, m := range measurements {
		if !strings.Contains(m.name, *only) && !strings.Contains(m.group.name, *only) {
			continue
		}
		if err := stage.measure(ctx, m); err != nil {
			return fmt.Errorf("measuring %s: %w", m.name, err)
		}
	}
	return nil
}
