package httpx

import (
	"encoding"
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

const schemaPrefix = "#/components/schemas/"

// registry names and keeps the schemas of one document. It is not huma's, because ids must be documented and checked
// as strings with their prefix, and because two packages may have a type of the same name.
type registry struct {
	schemas map[string]*huma.Schema
	types   map[string]reflect.Type
	names   map[reflect.Type]string
	aliases map[reflect.Type]reflect.Type
}

func newRegistry() *registry {
	return &registry{map[string]*huma.Schema{}, map[string]reflect.Type{}, map[reflect.Type]string{}, map[reflect.Type]reflect.Type{}}
}

// Schema returns the schema of a type, for structs as a reference. huma passes no hint for parameters only: there an
// id has no schema, because huma reads it as the number that idParams has made of it and would check that as a string.
func (r *registry) Schema(t reflect.Type, allowRef bool, hint string) *huma.Schema {
	d := deref(t)
	if alias, ok := r.aliases[d]; ok {
		return r.Schema(alias, allowRef, hint)
	}
	switch {
	case isID(d) && hint == "":
		return &huma.Schema{}
	case isID(d):
		s := idSchema(d)
		s.Nullable = t.Kind() == reflect.Pointer
		return s
	case d.Kind() == reflect.Slice || d.Kind() == reflect.Array:
		return huma.SchemaFromType(r, d)
	case !named(d):
		return huma.SchemaFromType(r, t)
	}
	name := r.name(d, hint)
	if _, ok := r.schemas[name]; !ok {
		r.schemas[name] = &huma.Schema{} // a type that contains itself finds this
		r.schemas[name] = huma.SchemaFromType(r, d)
	}
	if allowRef {
		return &huma.Schema{Ref: schemaPrefix + name}
	}
	return r.schemas[name]
}

// named says whether a type is a record with a schema of its own.
func named(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() &&
		!p.Implements(reflect.TypeFor[huma.SchemaProvider]()) && !p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

// name is the type's name; of two types of one name, the second has its package before it.
func (r *registry) name(t reflect.Type, hint string) string {
	if name, ok := r.names[t]; ok {
		return name
	}
	name := huma.DefaultSchemaNamer(t, hint)
	if _, taken := r.types[name]; taken {
		name = capital(path.Base(t.PkgPath())) + name
	}
	if other, taken := r.types[name]; taken {
		panic(fmt.Sprintf("httpx: two types are named %s in one document: %s and %s", name, other, t))
	}
	r.names[t], r.types[name] = name, t
	return name
}

func capital(s string) string {
	out := []rune(strings.ReplaceAll(s, "-", ""))
	if len(out) > 0 {
		out[0] = unicode.ToUpper(out[0])
	}
	return string(out)
}

func deref(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// SchemaFromRef finds what a reference means.
func (r *registry) SchemaFromRef(ref string) *huma.Schema {
	name, ok := strings.CutPrefix(ref, schemaPrefix)
	if !ok {
		return nil
	}
	return r.schemas[name]
}

// TypeFromRef finds the type behind a reference.
func (r *registry) TypeFromRef(ref string) reflect.Type {
	return r.types[strings.TrimPrefix(ref, schemaPrefix)]
}

// Map is all schemas by name.
func (r *registry) Map() map[string]*huma.Schema { return r.schemas }

// RegisterTypeAlias shows one type as another.
func (r *registry) RegisterTypeAlias(t, alias reflect.Type) { r.aliases[t] = alias }

// MarshalJSON writes the schemas.
func (r *registry) MarshalJSON() ([]byte, error) { return json.Marshal(r.schemas) }

// isID says whether a type is an ids.ID: a number that is shown as a string.
func isID(t reflect.Type) bool {
	return t.Kind() == reflect.Int64 && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) &&
		t.Implements(reflect.TypeFor[fmt.Stringer]())
}

const idDigits = 13

// idSchema describes what an id looks like, from an example.
func idSchema(t reflect.Type) *huma.Schema {
	v := reflect.New(t).Elem()
	v.SetInt(1 << 52)
	example := v.Interface().(fmt.Stringer).String()
	prefix := example[:len(example)-idDigits]
	s := &huma.Schema{
		Type: huma.TypeString, Pattern: "^" + prefix + "[0-9a-hjkmnp-tv-z]{13}$",
		PatternDescription: "an id that begins with " + prefix, Examples: []any{example},
	}
	s.PrecomputeMessages()
	return s
}

// idParam is a parameter that is an id.
type idParam struct {
	in, name, doc string
	required      bool
	typ           reflect.Type
}

// idParams finds the parameters of an input that are ids. huma would read them as numbers, because their kind is one.
func idParams(t reflect.Type) []idParam {
	var out []idParam
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous && deref(f.Type).Kind() == reflect.Struct {
			out = append(out, idParams(deref(f.Type))...)
			continue
		}
		for _, in := range []string{"path", "query", "header"} {
			name, _, _ := strings.Cut(f.Tag.Get(in), ",")
			switch {
			case name == "":
			case isID(f.Type):
				out = append(out, idParam{in, name, f.Tag.Get("doc"), in == "path" || f.Tag.Get("required") == "true", f.Type})
			case f.Type.Kind() == reflect.Slice && isID(f.Type.Elem()):
				panic(fmt.Sprintf("httpx: parameter %s is a list of ids; take strings and ids.Parse them", name))
			}
		}
	}
	return out
}

// parse returns the id as the decimal number that huma reads.
func (p idParam) parse(text string) (int64, error) {
	v := reflect.New(p.typ)
	if err := v.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		return 0, err
	}
	return v.Elem().Int(), nil
}

// document is the parameter as the OpenAPI document shows it.
func (p idParam) document() *huma.Param {
	return &huma.Param{Name: p.name, In: p.in, Description: p.doc, Required: p.required, Schema: idSchema(p.typ)}
}
