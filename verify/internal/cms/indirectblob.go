package cms

// ParseIndirectBlob reads the content of a SignedData of type OIDIndirectData as ParseIndirectData does, for kinds of
// files whose Sum is not one digest but a list of digests.
func ParseIndirectBlob(d *SignedData) (*IndirectData, error) { return parseIndirect(d) }
