// Package scan gives updates, and everything inside them, to the scanners that a policy names, and says what they found:
// clamd over its socket (INSTREAM, see clamd(8)), services behind an ICAP server (RFC 3507), and commands such as yara.
//
// A scanner is believed only what it can have found out: that a file is clean counts once the scanner was given all of it, and once
// what it was given has the digest of the file that is judged. Whatever else happens, a time-out, a broken connection, an answer
// that cannot be understood, is a failed scan, which proves nothing. What a scanner says comes from strangers: answers are
// bounded, and names are made printable.
package scan
