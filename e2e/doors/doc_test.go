package doors_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
	"fenxiao/server/play"
)

// document is what these tests read of an OpenAPI document.
type document struct {
	Paths      map[string]map[string]*operation `json:"paths"`
	Components struct {
		Schemas map[string]*schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string                     `json:"operationId"`
	Summary     string                     `json:"summary"`
	Permission  string                     `json:"x-permission"`
	Idempotent  bool                       `json:"x-idempotent"`
	Security    []map[string][]string      `json:"security"`
	Parameters  []parameter                `json:"parameters"`
	RequestBody *requestBody               `json:"requestBody"`
	Responses   map[string]json.RawMessage `json:"responses"`

	audience, method, path string
	doc                    *document
}

type parameter struct {
	Name     string  `json:"name"`
	In       string  `json:"in"`
	Required bool    `json:"required"`
	Schema   *schema `json:"schema"`
}

type requestBody struct {
	Required bool `json:"required"`
	Content  map[string]struct {
		Schema *schema `json:"schema"`
	} `json:"content"`
}

type schema struct {
	Ref                  string             `json:"$ref"`
	Type                 kinds              `json:"type"`
	Format               string             `json:"format"`
	Pattern              string             `json:"pattern"`
	Enum                 []any              `json:"enum"`
	Minimum              *float64           `json:"minimum"`
	Maximum              *float64           `json:"maximum"`
	MinLength            *int               `json:"minLength"`
	MaxLength            *int               `json:"maxLength"`
	MinItems             *int               `json:"minItems"`
	MaxItems             *int               `json:"maxItems"`
	Properties           map[string]*schema `json:"properties"`
	Required             []string           `json:"required"`
	Items                *schema            `json:"items"`
	AdditionalProperties any                `json:"additionalProperties"`
}

// kinds is a schema's type: one word, or a list with "null" in it.
type kinds []string

func (k *kinds) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(k))
}

func (s *schema) is(kind string) bool { return slices.Contains(s.Type, kind) }

// audiences are the documents that a shop serves.
var audiences = []string{"client", "admin"}

// read takes the documents from the shop itself, as any client would, and lists the operations by path and method.
func read(t *testing.T, s *shop.Shop) []*operation {
	t.Helper()
	var out []*operation
	for _, audience := range audiences {
		_, raw, err := play.NewClient(s.Base, "reader").Raw(t.Context(), "/openapi/"+audience+".json")
		require.NoError(t, err)
		doc := &document{}
		require.NoError(t, json.Unmarshal(raw, doc))
		for path, methods := range doc.Paths {
			for method, op := range methods {
				op.audience, op.method, op.path, op.doc = audience, strings.ToUpper(method), path, doc
				out = append(out, op)
			}
		}
	}
	slices.SortFunc(out, func(a, b *operation) int {
		return strings.Compare(a.audience+"\x00"+a.path+"\x00"+a.method, b.audience+"\x00"+b.path+"\x00"+b.method)
	})
	return out
}

// name is the operation's in both documents together.
func (op *operation) name() string { return op.audience + " " + op.ID }

func (op *operation) resolve(s *schema) *schema {
	for s != nil && s.Ref != "" {
		s = op.doc.Components.Schemas[strings.TrimPrefix(s.Ref, "#/components/schemas/")]
	}
	return s
}

// body is the schema of the JSON that the operation takes, nil for none.
func (op *operation) body() *schema {
	if op.RequestBody == nil {
		return nil
	}
	return op.resolve(op.RequestBody.Content["application/json"].Schema)
}

func (op *operation) documents(status string) bool {
	_, ok := op.Responses[status]
	return ok
}

func (op *operation) has(in string) bool {
	return slices.ContainsFunc(op.Parameters, func(p parameter) bool { return p.In == in })
}
