// Package reputation knows what others say of files, certificates, URLs and packages: lists of what is known to be bad,
// or known to be good, kept up to date from files and servers.
//
// A [Feed] says where one list comes from and how it is read. [Feeds] keeps all of them: it loads, refreshes and
// remembers them, and tells of every change. A [View] is what they say at one moment; it does not change, and looking
// things up in it waits for nobody. A [Subject] is one thing to look up, a [Hit] is one list naming it.
//
// FEEDS.md beside this file specifies the formats, the bounds, what a hit means and what becomes of a list that is old.
package reputation
