package verify

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"sync"
)

// walk looks at everything inside one artifact. Containers are read in order, each by one goroutine; the files in them
// are examined side by side.
type walk struct {
	examiner *Examiner
	env      Env
	limits   Limits
	slots    *slots
	visit    Visitor // is given every inner file; nil where they are examined

	mu       sync.Mutex
	contents Contents
	entries  int   // folders and links included
	memory   int64 // bytes
	vouches  int   // kept by all files
	facts    int   // bytes of what reviewers know of all files
	breached bool
	paths    map[string]bool
	repeats  map[string]int // by path: the last number given to one like it
}

// node is one file and what is in it. Its fields belong to the goroutine that examines it until the walk has ended.
type node struct {
	path     string
	inner    Inner
	findings []Finding
	children []*node
	vouches  []Vouch              // what it says of others
	names    map[string]Installed // what its own container calls the files in it
}

// Method names of findings about the walk itself.
const unpackMethod = "unpack"

// insideReport is what lookInside adds to a report.
type insideReport struct {
	findings []Finding
	contents *Contents
}

// lookInside opens the artifact, if it is a container. Contents without any container says that there is nothing to
// open.
func (e *Examiner) lookInside(ctx context.Context, a *Artifact, env Env) (out insideReport) {
	env.Sidecars = nothingBeside{}
	w := &walk{examiner: e, env: env, limits: e.Limits.withDefaults(a.Size), slots: newSlots(),
		paths: map[string]bool{}, repeats: map[string]int{}}
	ctx, cancel := context.WithTimeout(ctx, w.limits.Time)
	defer cancel()
	root := &node{}
	w.slots.acquire()
	w.guarded(root, func() {
		w.open(ctx, a, root, 1)
		w.vouch(root)
	})
	w.slots.release()
	w.collect(root, &out)
	out.contents = &w.contents
	return out
}

// nothingBeside is the Sidecars of a file inside a container.
type nothingBeside struct{}

// Fetch implements Sidecars.
func (nothingBeside) Fetch(context.Context, string, int64) ([]byte, error) { return nil, ErrNotExist }

// collect adds a file and what is in it to the report, in the containers' order.
func (w *walk) collect(n *node, out *insideReport) {
	if !n.inner.SHA256.IsZero() {
		w.contents.Inner = append(w.contents.Inner, n.inner)
	}
	out.findings = append(out.findings, n.findings...)
	for _, child := range n.children {
		w.collect(child, out)
	}
}

// open has every Opener that knows the artifact open it, and reports whether one does. An artifact that is known to be
// a container and that none opens is one that was not looked into.
func (w *walk) open(ctx context.Context, a *Artifact, n *node, depth int) bool {
	opened := false
	for _, o := range w.examiner.Openers {
		if !w.matches(o, a) {
			continue
		}
		opened = true
		if depth > w.limits.Depth {
			w.unread(n, Finding{Subject: n.path, Code: "limit", Detail: fmt.Sprintf("It lies %d containers deep, where looking ends.", depth-1)})
			return true
		}
		w.openWith(ctx, o, a, n, depth)
	}
	if opened {
		w.mu.Lock()
		w.contents.Containers++
		w.contents.Depth = max(w.contents.Depth, depth)
		w.mu.Unlock()
	} else if depth == 1 && a.Format == "" && a.Role != Metadata {
		w.unread(n, Finding{Subject: n.path, Code: "not-looked-into", Detail: "It is no kind of file that is known here: whether anything is inside cannot be told."})
	} else if a.Format.Container() {
		w.unread(n, Finding{Subject: n.path, Code: "not-looked-into", Detail: fmt.Sprintf("Nothing here opens files of format %s: what is inside is not known.", a.Format)})
	}
	return opened
}

func (w *walk) matches(o Opener, a *Artifact) (yes bool) {
	defer w.examiner.recover(o.Method(), func(any) { yes = false })
	return o.Match(a)
}

func (w *walk) openWith(ctx context.Context, o Opener, a *Artifact, n *node, depth int) {
	method := o.Method()
	defer w.examiner.recover(method, func(any) {
		w.unread(n, Finding{Subject: n.path, Method: method, Code: "crashed", Detail: "the reader of this container crashed on it; the operational log has the details"})
	})
	in := &inside{walk: w, ctx: ctx, node: n, depth: depth, names: map[string]bool{}, links: map[string]bool{}}
	defer w.slots.wait(&in.running) // entries may lie in what the container is kept in
	found, err := o.Open(ctx, a, in)
	for _, f := range found {
		f.Subject = join(n.path, f.Subject)
		if f.Status == Inconclusive {
			w.countUnread()
		}
		n.findings = append(n.findings, f)
	}
	var limit *limitError
	switch {
	case err == nil:
	case errors.As(err, &limit):
		w.breach(n, limit.what)
	case errors.Is(err, context.DeadlineExceeded):
		w.breach(n, fmt.Sprintf("it takes longer than %s", w.limits.Time))
	case errors.Is(err, ErrBroken):
		n.findings = append(n.findings, Finding{Subject: n.path, Method: method, Status: Invalid, Code: method + "/broken", Detail: sentenceOf(err)})
		w.countUnread()
	default:
		w.unread(n, Finding{Subject: n.path, Method: method, Code: "failed", Detail: "it could not be looked into: " + err.Error()})
	}
}

// breach says once that a limit ended the walk; it ends in every container.
func (w *walk) breach(n *node, what string) {
	w.mu.Lock()
	first := !w.breached
	w.breached = true
	w.mu.Unlock()
	if first {
		w.unread(n, Finding{Subject: n.path, Code: "limit", Detail: "Not everything inside was looked into: " + what + "."})
	}
}

// unread adds a finding about something that was not looked into. Its Code is without the method.
func (w *walk) unread(n *node, f Finding) {
	if f.Method == "" {
		f.Method = unpackMethod
	}
	f.Status, f.Code = Inconclusive, f.Method+"/"+f.Code
	n.findings = append(n.findings, f)
	w.countUnread()
}

func (w *walk) countUnread() {
	w.mu.Lock()
	w.contents.Unread++
	w.mu.Unlock()
}

// sentenceOf makes a sentence of an error.
func sentenceOf(err error) string {
	s := strings.TrimSuffix(strings.TrimSuffix(err.Error(), ErrBroken.Error()), ": ")
	if s == "" {
		return "The container is broken."
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

// join makes the path of an entry in a container.
func join(container, name string) string {
	switch {
	case name == "":
		return container
	case container == "":
		return name
	}
	return container + "/" + name
}

// inside is the Inside of one container.
type inside struct {
	walk  *walk
	ctx   context.Context
	node  *node
	depth int
	names map[string]bool
	links map[string]bool // that are links, by name

	running sync.WaitGroup
}

// Limits on names, in bytes.
const (
	maxPath = 1024 // of the path of an inner file in reports
	maxName = 4096 // of an entry's own: PATH_MAX of Linux; of longer ones nothing is remembered
)

// Offer implements Inside.
func (in *inside) Offer(e Entry) error {
	if err := in.ctx.Err(); err != nil {
		return err
	}
	w := in.walk
	if installed, ok := in.node.names[strings.ToLower(e.Name)]; ok {
		if e.Format = installed.Format; sniffName(e.Name) == "script" {
			e.Format = "script" // whoever else unpacks it has a script
		}
		e.Name = installed.Path
	}
	name := e.Name
	if name == "" {
		name = "(without a name)"
	}
	n := &node{path: join(in.node.path, name), names: e.Names}
	if len(n.path) > maxPath {
		n.path = n.path[:maxPath/2] + "…" + n.path[len(n.path)-maxPath/2:]
	}
	n.path = w.unique(n.path)
	in.node.children = append(in.node.children, n)
	in.checkName(n, e)
	if e.Directory || e.Link != "" {
		return w.countFile(0) // an entry that costs something, though it has no bytes
	}
	if err := w.countFile(1); err != nil {
		return err
	}
	if e.Unread != "" {
		w.unread(n, Finding{Subject: n.path, Code: "not-looked-into", Detail: e.Unread})
		return nil
	}
	a, err := w.take(in.ctx, e, n)
	if err != nil || a == nil {
		return err
	}
	in.examine(a, n)
	return nil
}

// unique returns a path that no other file of the walk has, so that what is said of one file is never taken for what is
// said of another.
func (w *walk) unique(path string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, n := path, 1; ; {
		if !w.paths[name] {
			w.paths[name] = true
			return name
		}
		n = max(n, w.repeats[path]) + 1
		w.repeats[path] = n
		name = fmt.Sprintf("%s#%d", path, n)
	}
}

// countFile counts an entry, and files with bytes among them.
func (w *walk) countFile(files int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.contents.Files += files
	w.entries++
	if w.breached {
		return tooMuch("a limit was reached elsewhere")
	}
	if w.entries > w.limits.Files {
		return tooMuch("it holds more than %d files", w.limits.Files)
	}
	return nil
}

// examine examines a file beside the goroutine that reads the container, or in it where too much is waiting.
func (in *inside) examine(a *taken, n *node) {
	w := in.walk
	w.slots.beside(&in.running, func() {
		defer a.release()
		w.guarded(n, func() { w.examineInner(in.ctx, &a.Artifact, n, in.depth) })
	})
}

// guarded does some work on a file. A panic is said of the file.
func (w *walk) guarded(n *node, work func()) {
	defer w.examiner.recover(unpackMethod, func(any) {
		w.unread(n, Finding{Subject: n.path, Code: "crashed", Detail: "what reads this file crashed on it; the operational log has the details"})
	})
	work()
}

// besideSize is from which size on a container is opened while it is examined itself, in bytes.
const besideSize = 4 << 20

// examineInner finds out everything about one inner file, and about what is in it.
func (w *walk) examineInner(ctx context.Context, a *Artifact, n *node, depth int) {
	if a.Size < besideSize || !w.opens(a) || !w.slots.try() {
		if w.identify(ctx, a, n) {
			w.open(ctx, a, n, depth+1)
		}
		return
	}
	opened := &node{path: n.path, names: n.names}
	content := *a
	var opening sync.WaitGroup
	opening.Go(func() {
		defer w.slots.release()
		w.guarded(opened, func() { w.open(ctx, &content, opened, depth+1) })
	})
	defer func() {
		w.slots.wait(&opening)
		n.findings, n.children = append(n.findings, opened.findings...), opened.children
	}()
	w.identify(ctx, a, n)
}

// opens reports whether some Opener knows the artifact.
func (w *walk) opens(a *Artifact) bool {
	for _, o := range w.examiner.Openers {
		if w.matches(o, a) {
			return true
		}
	}
	return false
}

// identify hashes an inner file and has it looked at. It reports whether the file could be read.
func (w *walk) identify(ctx context.Context, a *Artifact, n *node) bool {
	if err := w.digest(ctx, a); err != nil {
		w.unread(n, Finding{Subject: n.path, Code: "failed", Detail: "it could not be read: " + err.Error()})
		return false
	}
	if w.visit != nil {
		w.visit(ctx, n.path, a)
		return true
	}
	executable := a.Format.Executable()
	remarks := w.examiner.look(ctx, a, w.env)
	found := remarks.Findings
	if executable && len(found) == 0 {
		found = []Finding{noMethod(a.Format)}
	}
	for i := range found {
		found[i].Subject = join(n.path, found[i].Subject)
	}
	n.findings = append(n.findings, found...)
	n.inner = Inner{Path: n.path, Format: a.Format, Size: a.Size, SHA256: a.Digests.SHA256, Taps: a.Digests.Taps}
	w.mu.Lock()
	n.inner.Facts = w.boundFacts(remarks.Facts)
	if executable {
		w.contents.Executables++
	}
	w.mu.Unlock()
	n.vouches = w.askVouchers(ctx, a, found)
	return true
}

// maxFacts bounds what reviewers know of all files inside one artifact, in bytes.
const maxFacts = 16 << 20

// FactsLeftOut is the one fact of a file about which more was known than there is room for.
const FactsLeftOut = "left_out"

// boundFacts returns the facts, or that there was no room for them. It is called with the lock held.
func (w *walk) boundFacts(facts map[string]string) map[string]string {
	size := 0
	for k, v := range facts {
		size += len(k) + len(v)
	}
	if size > maxFacts-w.facts {
		return map[string]string{FactsLeftOut: "true"}
	}
	w.facts += size
	return facts
}

// checkName looks at the name of an entry: whoever unpacks the container makes a path of it.
func (in *inside) checkName(n *node, e Entry) {
	say := func(status Status, code, format string, args ...any) {
		n.findings = append(n.findings, Finding{Subject: n.path, Method: unpackMethod, Status: status, Code: unpackMethod + "/" + code, Detail: fmt.Sprintf(format, args...)})
	}
	slashed := strings.ReplaceAll(e.Name, `\`, "/")
	parts := strings.Split(slashed, "/")
	for i, p := range parts {
		if strings.TrimRight(p, " ") == ".." {
			say(Invalid, "traversal", "The name leads out of the folder into which the container is unpacked.")
			break
		}
		if strings.ContainsRune(p, 0) || i == 0 && len(p) >= 2 && p[1] == ':' {
			say(Invalid, "traversal", "The name holds what makes another path of it: a drive, or a NUL.")
			break
		}
	}
	if strings.HasPrefix(slashed, "/") {
		say(Untrusted, "absolute-name", "The name is an absolute path.")
	}
	if e.Link != "" && leadsOut(slashed, strings.ReplaceAll(e.Link, `\`, "/")) {
		say(Untrusted, "link", "The entry is a link to %q, outside the folder into which the container is unpacked.", e.Link[:min(len(e.Link), maxPath)])
	}
	key := foldedPath(slashed)
	if len(key) > maxName {
		say(Invalid, "overlong-name", "The name has %d bytes, more than %d, with which no file can be unpacked.", len(e.Name), maxName)
		return
	}
	for at := strings.LastIndexByte(key, '/'); at > 0 && len(in.links) > 0; at = strings.LastIndexByte(key[:at], '/') {
		if in.links[key[:at]] {
			say(Invalid, "through-link", "The name leads through %q, which the container has as a link: the file does not lie where its name says.", key[1:at])
			break
		}
	}
	if e.Link != "" {
		in.links[key] = true
	}
	if in.names[key] && !e.Directory {
		say(Untrusted, "duplicate", "Another entry of the container has the same name, large and small letters aside; which of them is used depends on who unpacks it.")
	}
	in.names[key] = true
}

// foldedPath makes paths equal that lead to one file on some system: without regard to case, to dots and spaces at the end
// of a part, and to the name of a stream after a colon.
func foldedPath(slashed string) string {
	parts := strings.Split(path.Clean("/"+strings.ToLower(slashed)), "/")
	for i, p := range parts {
		p, _, _ = strings.Cut(p, ":")
		if folded := strings.TrimRight(p, " ."); folded != "" {
			p = folded
		}
		parts[i] = p
	}
	return strings.Join(parts, "/")
}

// leadsOut reports whether a relative link leaves the container. An absolute one names a place in the system that is
// installed to, as packages of operating systems do.
func leadsOut(name, link string) bool {
	if strings.HasPrefix(link, "/") {
		return false
	}
	at := path.Join("x", path.Dir(path.Clean("/" + name))[1:], link)
	return at != "x" && !strings.HasPrefix(at, "x/")
}
