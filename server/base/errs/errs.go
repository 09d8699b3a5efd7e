// Package errs is how the program says no: a kind for the protocol, a stable code for machines, a message for the
// person, and a cause for the log.
package errs

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Kind says what sort of refusal it is; the doors turn it into a status.
type Kind string

const (
	Invalid      Kind = "invalid"      // the input is wrong: 422
	Malformed    Kind = "malformed"    // the request cannot be read: 400
	Unauthorized Kind = "unauthorized" // who are you: 401
	Forbidden    Kind = "forbidden"    // you may not: 403
	NotFound     Kind = "not_found"    // there is none, or none for you: 404
	Conflict     Kind = "conflict"     // the state has moved: 409
	Limited      Kind = "limited"      // too often, too much: 429
	Unavailable  Kind = "unavailable"  // try again later: 503
	Internal     Kind = "internal"     // our fault: 500
)

// Error is a refusal that a person may read. Code is stable ("withdrawal.below_minimum"); Message is Chinese and says
// what to do next; English is its translation.
type Error struct {
	Kind       Kind
	Code       string
	Message    string
	English    string
	Params     map[string]any // values inside the message, for clients that translate by code
	Fields     []Field        // what is wrong where, for Invalid
	RetryAfter time.Duration  // for Limited and Unavailable; 0 = not said
	cause      error
}

// Field points at one wrong part of the input by JSON pointer.
type Field struct {
	Pointer string `json:"pointer"`
	Code    string `json:"code"`
	Detail  string `json:"detail"`
}

// Option adds to an Error.
type Option func(*Error)

// E makes an Error. The message is what the person reads.
func E(kind Kind, code, message string, opts ...Option) *Error {
	e := &Error{Kind: kind, Code: code, Message: message}
	for _, o := range opts {
		o(e)
	}
	return e
}

// EN adds the English message.
func EN(english string) Option { return func(e *Error) { e.English = english } }

// Cause adds what the log should know and the person should not.
func Cause(err error) Option { return func(e *Error) { e.cause = err } }

// Param adds a value of the message under a name.
func Param(name string, value any) Option {
	return func(e *Error) {
		if e.Params == nil {
			e.Params = map[string]any{}
		}
		e.Params[name] = value
	}
}

// At adds a wrong part of the input, by JSON pointer.
func At(pointer, code, detail string) Option {
	return func(e *Error) { e.Fields = append(e.Fields, Field{pointer, code, detail}) }
}

// After says when to try again.
func After(d time.Duration) Option { return func(e *Error) { e.RetryAfter = d } }

func (e *Error) Error() string {
	if e.cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.cause)
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.cause }

// Is makes two Errors equal when their codes are, so that errors.Is works with a value made by E.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// LogValue shows the code and the cause.
func (e *Error) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("code", e.Code)}
	if e.cause != nil {
		attrs = append(attrs, slog.String("cause", e.cause.Error()))
	}
	return slog.GroupValue(attrs...)
}

// As finds the Error in a chain.
func As(err error) (*Error, bool) {
	var e *Error
	ok := errors.As(err, &e)
	return e, ok
}

// CodeOf returns the stable code of err, "internal" for an error that is none of ours, "" for nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	if e, ok := As(err); ok {
		return e.Code
	}
	return "internal"
}

// KindOf returns the kind of err, Internal for an error that is none of ours.
func KindOf(err error) Kind {
	if e, ok := As(err); ok {
		return e.Kind
	}
	return Internal
}
