package proxy

import "golang.org/x/crypto/bcrypt"

// Proves reports whether a password is a user's. It takes as long for users that are not there, and nothing is remembered of it:
// whoever asks bounds how often.
func (c *Credentials) Proves(user, password string) bool {
	if user == "" || len(user)+len(password) > maxCredentials {
		return false
	}
	hash, exists := c.hashes[user]
	if !exists {
		hash = c.nobody
	}
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && exists
}

// Knows reports whether there is such a user.
func (c *Credentials) Knows(user string) bool {
	_, exists := c.hashes[user]
	return exists
}

// Len returns how many users there are.
func (c *Credentials) Len() int { return len(c.hashes) }
