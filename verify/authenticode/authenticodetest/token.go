package authenticodetest

// Token returns an RFC 3161 timestamp token over value, DER.
func Token(ts Timestamp, value []byte) []byte {
	ts.Legacy = false
	return ts.over(value).Value
}
