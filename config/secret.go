package config

import (
	"fmt"
	"io"
	"log/slog"
)

const hidden = "***"

// Secret is a text that is never printed: by no verb of fmt, not by slog, not as JSON or YAML.
type Secret string

// Reveal gives the text to who needs it.
func (s Secret) Reveal() string { return string(s) }

// String shows that there is something, and nothing of it.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// Format keeps every verb from the text, %#v and %x too.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is for JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
