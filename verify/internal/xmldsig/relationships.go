package xmldsig

import (
	"cmp"
	"slices"
)

// Namespaces of OPC packages (ECMA-376 part 2).
const (
	NSRelationships = "http://schemas.openxmlformats.org/package/2006/relationships"
	NSDigital       = "http://schemas.openxmlformats.org/package/2006/digital-signature"
)

// relationships is the Relationships transform: the relationships that the transform names by identifier or type, ordered
// by identifier, without anything between them, and with the default of TargetMode filled in.
func relationships(d *Document, transform *Element) (out *Document, all bool, err error) {
	ids, types, err := selection(transform)
	if err != nil {
		return nil, false, err
	}
	if !d.Root.Is(NSRelationships, "Relationships") {
		return nil, false, malformed("a Relationships transform of something else")
	}
	list, err := d.Root.Structure()
	if err != nil {
		return nil, false, err
	}
	root := &Element{Prefix: d.Root.Prefix, Local: d.Root.Local, Space: d.Root.Space, Attributes: d.Root.Attributes, declared: d.Root.declared}
	seen := map[string]bool{}
	var kept []*Element
	for _, r := range list {
		if !r.Is(NSRelationships, "Relationship") || len(r.declared) > 0 || r.Prefix != root.Prefix {
			return nil, false, malformed("element %s among relationships", r.Local)
		}
		if err := r.AttributesOnly("Id", "Type", "Target", "TargetMode"); err != nil {
			return nil, false, err
		}
		id := r.Value("Id")
		if seen[id] {
			return nil, false, malformed("the relationship %.100q is there twice", id)
		}
		if seen[id] = true; ids[id] || types[r.Value("Type")] {
			kept = append(kept, normalized(r))
		}
	}
	slices.SortFunc(kept, func(a, b *Element) int { return cmp.Compare(a.Value("Id"), b.Value("Id")) })
	for _, r := range kept {
		r.Parent, root.children = root, append(root.children, r)
	}
	return &Document{Root: root}, len(kept) == len(list), nil
}

// normalized returns an empty copy of a Relationship that has a TargetMode.
func normalized(r *Element) *Element {
	c := &Element{Prefix: r.Prefix, Local: r.Local, Space: r.Space, Attributes: slices.Clone(r.Attributes)}
	if _, ok := r.Attribute("TargetMode"); !ok {
		c.Attributes = append(c.Attributes, Attribute{Local: "TargetMode", Value: "Internal"})
	}
	return c
}

// selection reads the parameters of the transform.
func selection(transform *Element) (ids, types map[string]bool, err error) {
	if _, err := algorithm(transform); err != nil {
		return nil, nil, err
	}
	parts, err := transform.Structure()
	if err != nil {
		return nil, nil, err
	}
	ids, types = map[string]bool{}, map[string]bool{}
	for _, p := range parts {
		id, byID := p.Attribute("SourceId")
		kind, byType := p.Attribute("SourceType")
		switch {
		case len(p.children) > 0 || len(p.Attributes) != 1:
			return nil, nil, malformed("parameters of a Relationships transform")
		case p.Is(NSDigital, "RelationshipReference") && byID:
			ids[id] = true
		case p.Is(NSDigital, "RelationshipsGroupReference") && byType:
			types[kind] = true
		default:
			return nil, nil, malformed("parameters of a Relationships transform")
		}
	}
	return ids, types, nil
}
