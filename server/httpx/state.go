// Package httpx is how the doors are built: the gin engine, operations with their permission and OpenAPI document,
// problems, paging, idempotency, limits, health and metrics. Only it knows HTTP.
package httpx

import (
	"context"
	"strconv"
	"strings"

	"fenxiao/server/base"
	"fenxiao/server/base/reqid"
)

// Principal is who asks.
type Principal struct {
	Actor       base.Actor
	Customer    base.CustomerID    // 0: none
	Distributor base.DistributorID // 0: none
	Admin       base.AdminID       // 0: none
	Account     string             // of an admin
	Role        string             // of an admin
	Permissions func(permission string) bool
	Session     int64
	CSRF        string // of an admin's session, for the page that has lost it
	Restricted  error  // said instead of "forbidden", such as "change the one-time password first"
}

type language string

const (
	chinese language = "zh"
	english language = "en"
)

// state is what is known of a request. It is written by the chain, in the request's goroutine, before the handler.
type state struct {
	requestID string
	lang      language
	op        string
	principal Principal
	opID      int64
	code      string // of the problem answered
	err       error  // its cause, for the log
}

type stateKey struct{}

func withState(ctx context.Context, s *state) context.Context {
	return context.WithValue(reqid.With(ctx, s.requestID), stateKey{}, s)
}

// stateOf returns an empty state outside of a request.
func stateOf(ctx context.Context) *state {
	if s, ok := ctx.Value(stateKey{}).(*state); ok {
		return s
	}
	return &state{lang: chinese}
}

// PrincipalOf tells who asks; on a public operation it may be nobody.
func PrincipalOf(ctx context.Context) Principal { return stateOf(ctx).principal }

// OpID is the id minted for an idempotent operation when its key was first seen: use it as the primary key of what the
// operation creates, so that a second attempt collides instead of creating twice. 0 if the operation is not idempotent.
func OpID(ctx context.Context) int64 { return stateOf(ctx).opID }

// RequestID is the id that the answer, the log and the audit log name the request by.
func RequestID(ctx context.Context) string { return stateOf(ctx).requestID }

// English says that the caller prefers English to Chinese.
func English(ctx context.Context) bool { return stateOf(ctx).lang == english }

// languageOf picks the better liked of Chinese and English; Chinese if neither is named.
func languageOf(accept string) language {
	best, bestQ := chinese, -1.0
	for i, part := range strings.Split(accept, ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		var l language
		switch {
		case i >= 16:
			return best
		case hasLanguage(tag, "zh"):
			l = chinese
		case hasLanguage(tag, "en"):
			l = english
		default:
			continue
		}
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || f < 0 || f > 1 {
				continue
			}
			q = f
		}
		if q > bestQ {
			best, bestQ = l, q
		}
	}
	return best
}

func hasLanguage(tag, lang string) bool {
	return strings.EqualFold(tag, lang) || len(tag) > 2 && tag[2] == '-' && strings.EqualFold(tag[:2], lang)
}
