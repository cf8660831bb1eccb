package audit

import "github.com/sallyport-project/sallyport/verify"

// What a record is searched by.

func (r *Record) action() string {
	if r.Decision == nil {
		return ""
	}
	return r.Decision.Action.String()
}

func (r *Record) rule() string {
	if r.Decision == nil {
		return ""
	}
	return r.Decision.Rule
}

func (r *Record) scope() string {
	if r.Channel == "" && r.Release != nil {
		return r.Release.Scope
	}
	return r.Channel
}

func (r *Record) digest() verify.Digest {
	switch {
	case r.Artifact != nil:
		return r.Artifact.SHA256
	case r.Release != nil:
		return r.Release.SHA256
	case r.Recall != nil:
		return r.Recall.SHA256
	case r.Approval != nil:
		return r.Approval.SHA256
	}
	return verify.Digest{}
}

func (r *Record) sha256() string {
	if d := r.digest(); !d.IsZero() {
		return d.String()
	}
	return ""
}

func (r *Record) name() string {
	if r.Artifact == nil {
		return ""
	}
	return r.Artifact.Name
}
