package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// setting is what is known of a setting from its field.
type setting struct {
	list   bool // of texts: the environment splits it at commas
	nested bool // a map or a list of records: in the file only
}

// settings lists every setting by its name, "section.key".
func settings() map[string]setting {
	out := map[string]setting{}
	root := reflect.TypeFor[Config]()
	for i := range root.NumField() {
		section := root.Field(i)
		for j := range section.Type.NumField() {
			f := section.Type.Field(j)
			s := setting{}
			switch {
			case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.String:
				s.list = true
			case f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Map:
				s.nested = true
			}
			out[section.Tag.Get("koanf")+"."+f.Tag.Get("koanf")] = s
		}
	}
	return out
}

// isSetting knows names below a map too.
func isSetting(known map[string]setting, key string) bool {
	if _, ok := known[key]; ok {
		return true
	}
	for name, s := range known {
		if s.nested && strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

// Names lists every setting, sorted, for help texts and documents.
func Names() []string { return slices.Sorted(maps.Keys(settings())) }
