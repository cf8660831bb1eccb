package xmldsig

import "strings"

// root reads the root element with everything in it. It keeps its own stack, so that depth costs no goroutine stack.
func (p *parser) root() error {
	var open []*Element
	for {
		e, ended, err := p.startTag()
		if err != nil {
			return err
		}
		if len(open) == 0 {
			p.doc.Root = e
		} else {
			e.Parent = open[len(open)-1]
			e.Parent.children = append(e.Parent.children, e)
		}
		if open = append(open, e); len(open) > maxDepth {
			return unsupported("elements more than %d deep", maxDepth)
		}
		for {
			if !ended {
				if ended, err = p.content(open[len(open)-1]); err != nil {
					return err
				}
			}
			if !ended {
				break // another element begins
			}
			p.leave(open[len(open)-1])
			if open, ended = open[:len(open)-1], false; len(open) == 0 {
				return nil
			}
		}
	}
}

// leave takes the namespaces that e declares out of scope.
func (p *parser) leave(e *Element) {
	for _, d := range e.declared {
		p.scope[d.prefix] = p.scope[d.prefix][:len(p.scope[d.prefix])-1]
	}
}

// content reads up to the next start tag (false) or over the end tag (true).
func (p *parser) content(e *Element) (ended bool, err error) {
	var run strings.Builder
	flush := func() error {
		if run.Len() == 0 {
			return nil
		}
		e.children = append(e.children, text(run.String()))
		run.Reset()
		return p.count()
	}
	for {
		at := strings.IndexAny(p.rest, "<&")
		if at < 0 {
			return false, malformed("element %s does not end", e.Local)
		}
		if strings.Contains(p.rest[:at], "]]>") {
			return false, malformed("end of a CDATA section outside of one")
		}
		run.WriteString(p.rest[:at])
		p.rest = p.rest[at:]
		switch {
		case p.take("&"):
			s, err := p.reference()
			if err != nil {
				return false, err
			}
			run.WriteString(s)
		case p.take("<![CDATA["):
			s, ok := p.until("]]>")
			if !ok {
				return false, malformed("CDATA section that does not end")
			}
			run.WriteString(s)
		case strings.HasPrefix(p.rest, "<!--"), strings.HasPrefix(p.rest, "<?"):
			if err := flush(); err != nil {
				return false, err
			}
			n, err := p.remark()
			if err != nil {
				return false, err
			}
			e.children = append(e.children, n)
		case p.take("</"):
			if err := flush(); err != nil {
				return false, err
			}
			return true, p.endTag(e)
		default:
			return false, flush()
		}
	}
}

func (p *parser) endTag(e *Element) error {
	prefix, local, err := p.qName()
	if err != nil || prefix != e.Prefix || local != e.Local {
		return malformed("end tag that does not fit element %s", e.Local)
	}
	p.space()
	if !p.take(">") {
		return malformed("end tag")
	}
	return nil
}

// startTag reads a start tag or an empty-element tag, and resolves its namespaces.
func (p *parser) startTag() (e *Element, empty bool, err error) {
	if !p.take("<") {
		return nil, false, malformed("no element where one is due")
	}
	e = &Element{}
	if e.Prefix, e.Local, err = p.qName(); err != nil {
		return nil, false, err
	}
	for n := 0; ; n++ {
		spaced := p.space()
		if empty = p.take("/>"); empty || p.take(">") {
			break
		}
		if !spaced || n == maxAttributes {
			return nil, false, malformed("start tag of %s", e.Local)
		}
		if err := p.attribute(e); err != nil {
			return nil, false, err
		}
	}
	if err := p.count(); err != nil {
		return nil, false, err
	}
	return e, empty, p.resolve(e)
}

// attribute reads one attribute or namespace declaration of e.
func (p *parser) attribute(e *Element) error {
	prefix, local, err := p.qName()
	if err != nil {
		return err
	}
	p.space()
	if !p.take("=") {
		return malformed("attribute %s without a value", local)
	}
	p.space()
	value, err := p.attributeValue()
	if err != nil {
		return err
	}
	if err := p.count(); err != nil {
		return err
	}
	switch {
	case prefix == "xmlns":
		return p.declare(e, local, value)
	case prefix == "" && local == "xmlns":
		return p.declare(e, "", value)
	}
	e.Attributes = append(e.Attributes, Attribute{Prefix: prefix, Local: local, Value: value})
	return nil
}

// attributeValue reads a quoted value and normalises it as that of an attribute of type CDATA (section 3.3.3).
func (p *parser) attributeValue() (string, error) {
	if len(p.rest) == 0 || p.rest[0] != '"' && p.rest[0] != '\'' {
		return "", malformed("attribute value without quotes")
	}
	quote := p.rest[0]
	p.rest = p.rest[1:]
	var b strings.Builder
	for {
		at := strings.IndexAny(p.rest, "<&\t\n"+string(quote))
		if at < 0 {
			return "", malformed("attribute value that does not end")
		}
		b.WriteString(p.rest[:at])
		c := p.rest[at]
		p.rest = p.rest[at+1:]
		switch c {
		case quote:
			return b.String(), nil
		case '<':
			return "", malformed("less-than sign in an attribute value")
		case '&':
			s, err := p.reference()
			if err != nil {
				return "", err
			}
			b.WriteString(s)
		default:
			b.WriteByte(' ')
		}
	}
}

// declare adds a namespace declaration (Namespaces in XML 1.0 section 3).
func (p *parser) declare(e *Element, prefix, name string) error {
	switch {
	case prefix == "xmlns", name == nsXMLNS, prefix != "" && name == "", (prefix == "xml") != (name == nsXML):
		return malformed("declaration of the namespace prefix %q", prefix)
	case name != "" && !isAbsolute(name):
		// Canonical XML is undefined for relative namespace names.
		return malformed("relative namespace name %.60q", name)
	}
	for _, d := range e.declared {
		if d.prefix == prefix {
			return malformed("namespace prefix %q declared twice", prefix)
		}
	}
	e.declared = append(e.declared, declaration{prefix, name})
	return nil
}

// resolve puts e's declarations in force, and finds the namespaces of its name and attributes.
func (p *parser) resolve(e *Element) error {
	for _, d := range e.declared {
		p.scope[d.prefix] = append(p.scope[d.prefix], d.name)
	}
	var ok bool
	if e.Space, ok = p.lookup(e.Prefix); !ok {
		return malformed("namespace prefix %q is not declared", e.Prefix)
	}
	seen := make(map[[2]string]bool, len(e.Attributes))
	for i := range e.Attributes {
		a := &e.Attributes[i]
		if a.Prefix != "" {
			if a.Space, ok = p.lookup(a.Prefix); !ok {
				return malformed("namespace prefix %q is not declared", a.Prefix)
			}
		}
		if seen[[2]string{a.Space, a.Local}] {
			return malformed("attribute %s of %s is there twice", a.Local, e.Local)
		}
		seen[[2]string{a.Space, a.Local}] = true
		if a.isID() {
			p.doc.ids[a.Value]++
		}
	}
	return nil
}

func (p *parser) lookup(prefix string) (string, bool) {
	stack := p.scope[prefix]
	if len(stack) == 0 {
		return "", false
	}
	return stack[len(stack)-1], true
}

// isID reports whether somebody could take an attribute for an identifier: without a document type there is no telling.
func (a Attribute) isID() bool {
	return (a.Space == "" || a.Space == nsXML) && strings.EqualFold(a.Local, "id")
}

// isAbsolute reports whether a namespace name is a URI with a scheme (RFC 3986 section 3), roughly.
func isAbsolute(name string) bool {
	scheme, rest, ok := strings.Cut(name, ":")
	for i, c := range []byte(scheme) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return false
		}
	}
	for _, c := range []byte(rest) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			return false
		}
	}
	return ok && scheme != ""
}
