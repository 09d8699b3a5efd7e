// Package reqid carries a request's id in the context, so that audit entries and log lines deep below name it.
package reqid

import "context"

type key struct{}

// With returns a context that carries the id.
func With(ctx context.Context, id string) context.Context { return context.WithValue(ctx, key{}, id) }

// Of returns the id that the context carries, "" outside of a request.
func Of(ctx context.Context) string {
	id, _ := ctx.Value(key{}).(string)
	return id
}
