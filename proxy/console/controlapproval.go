package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// controlApprovals adds what is about people who agree, what they have released, and recalls.
func controlApprovals(mux *http.ServeMux, o *Operator) {
	mux.HandleFunc("GET /v1/standing", func(w http.ResponseWriter, r *http.Request) {
		standing, err := o.Standing(r.Context())
		reply(w, standing, err)
	})
	mux.HandleFunc("GET /v1/approvals", func(w http.ResponseWriter, r *http.Request) {
		asked, err := o.Waiting(r.Context())
		reply(w, asked, err)
	})
	mux.HandleFunc("POST /v1/approvals/{id}", func(w http.ResponseWriter, r *http.Request) {
		var who Credential
		if err := read(r, &who); err != nil {
			reply(w, nil, err)
			return
		}
		done, err := o.Approve(r.Context(), r.PathValue("id"), who)
		replyDone(w, done, err)
	})
	mux.HandleFunc("POST /v1/recall", func(w http.ResponseWriter, r *http.Request) {
		var order RecallOrder
		if err := read(r, &order); err != nil {
			reply(w, nil, err)
			return
		}
		done, err := o.Recall(r.Context(), order)
		if err != nil && done.Record != "" {
			t := trouble(err)
			t.Recalled = &done
			writeTrouble(w, t)
			return
		}
		reply(w, done, err)
	})
}

// Standing is Operator.Standing.
func (c *Client) Standing(ctx context.Context) (list []Standing, err error) {
	return list, c.ask(ctx, http.MethodGet, "/v1/standing", nil, &list)
}

// Waiting is Operator.Waiting.
func (c *Client) Waiting(ctx context.Context) (list []Asked, err error) {
	return list, c.ask(ctx, http.MethodGet, "/v1/approvals", nil, &list)
}

// Approve is Operator.Approve.
func (c *Client) Approve(ctx context.Context, request string, who Credential) (done Done, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/approvals/"+url.PathEscape(request), who, &done)
	return doneOf(done, err), err
}

// Recall is Operator.Recall.
func (c *Client) Recall(ctx context.Context, order RecallOrder) (done RecallDone, err error) {
	err = c.ask(ctx, http.MethodPost, "/v1/recall", order, &done)
	var remote *remoteError
	if errors.As(err, &remote) && remote.trouble.Recalled != nil {
		done = *remote.trouble.Recalled
	}
	return done, err
}
