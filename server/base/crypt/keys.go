package crypt

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const keyBytes = 32

var keyID = regexp.MustCompile(`^[a-z0-9]{1,8}$`)

// Keys are the program's secrets: to seal fields (the first seals, all open), to index them blindly, to sign tokens.
type Keys struct {
	Field []FieldKey
	Index []byte
	Token []byte
}

// FieldKey is one key that seals fields; its id stands before what it sealed.
type FieldKey struct {
	ID    string
	Bytes []byte
}

// String shows nothing.
func (Keys) String() string { return "crypt.Keys" }

// GoString shows nothing, also to %#v.
func (Keys) GoString() string { return "crypt.Keys" }

// String shows the id only.
func (k FieldKey) String() string { return "crypt.FieldKey(" + k.ID + ")" }

// GoString shows the id only, also to %#v.
func (k FieldKey) GoString() string { return k.String() }

func (k Keys) check() error {
	if len(k.Field) == 0 {
		return errors.New("crypt: no field key")
	}
	seen := map[string]bool{}
	for _, f := range k.Field {
		if !keyID.MatchString(f.ID) || seen[f.ID] {
			return fmt.Errorf("crypt: field key id %.16q must be 1 to 8 of a-z and 0-9, and used once", f.ID)
		}
		seen[f.ID] = true
		if len(f.Bytes) != keyBytes {
			return fmt.Errorf("crypt: field key %s has %d bytes, not %d", f.ID, len(f.Bytes), keyBytes)
		}
	}
	if len(k.Index) != keyBytes || len(k.Token) != keyBytes {
		return fmt.Errorf("crypt: index key and token key must have %d bytes", keyBytes)
	}
	return nil
}

// NewKeys makes random keys.
func NewKeys() Keys {
	return Keys{Field: []FieldKey{{ID: "k1", Bytes: Random(keyBytes)}}, Index: Random(keyBytes), Token: Random(keyBytes)}
}

// ParseKeys reads keys as the configuration has them: field keys as "id:base64", newest first, the others as base64.
// The error names the part and never its value.
func ParseKeys(field []string, index, token string) (Keys, error) {
	var k Keys
	for i, f := range field {
		id, text, ok := strings.Cut(f, ":")
		if !ok || !keyID.MatchString(id) {
			return Keys{}, fmt.Errorf("crypt: field key %d is not id:base64", i+1)
		}
		b, err := parseKey(text)
		if err != nil {
			return Keys{}, fmt.Errorf("crypt: field key %s: %w", id, err)
		}
		k.Field = append(k.Field, FieldKey{ID: id, Bytes: b})
	}
	var err error
	if k.Index, err = parseKey(index); err != nil {
		return Keys{}, fmt.Errorf("crypt: index key: %w", err)
	}
	if k.Token, err = parseKey(token); err != nil {
		return Keys{}, fmt.Errorf("crypt: token key: %w", err)
	}
	return k, k.check()
}

func parseKey(text string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != keyBytes {
		return nil, fmt.Errorf("not %d bytes in base64 (make one with: openssl rand -base64 %d)", keyBytes, keyBytes)
	}
	return b, nil
}

type keyFile struct {
	Field []string `json:"field_keys"`
	Index string   `json:"index_key"`
	Token string   `json:"token_key"`
}

// LoadOrCreateKeys reads a key file, or writes one with new keys, for its owner only. A file that is there and cannot
// be read is an error and is left as it is: with new keys the stored data could not be read.
func LoadOrCreateKeys(path string) (Keys, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return createKeys(path)
	}
	if err != nil {
		return Keys{}, fmt.Errorf("read key file: %w", err)
	}
	var f keyFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return Keys{}, fmt.Errorf("read key file %s: not the JSON that was written", path)
	}
	k, err := ParseKeys(f.Field, f.Index, f.Token)
	if err != nil {
		return Keys{}, fmt.Errorf("read key file %s: %w", path, err)
	}
	return k, nil
}

// createKeys writes beside and links, so that two that start at once end with the keys of one.
func createKeys(path string) (Keys, error) {
	k, f := NewKeys(), keyFile{}
	for _, key := range k.Field {
		f.Field = append(f.Field, key.ID+":"+base64.StdEncoding.EncodeToString(key.Bytes))
	}
	f.Index = base64.StdEncoding.EncodeToString(k.Index)
	f.Token = base64.StdEncoding.EncodeToString(k.Token)
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return Keys{}, fmt.Errorf("write key file: %w", err)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".keys-*") // created for its owner only
	if err != nil {
		return Keys{}, fmt.Errorf("write key file: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	if _, err = tmp.Write(append(raw, '\n')); err == nil {
		err = tmp.Sync()
	}
	if cerr := tmp.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return Keys{}, fmt.Errorf("write key file: %w", err)
	}
	if err := os.Link(tmp.Name(), path); errors.Is(err, os.ErrExist) {
		return LoadOrCreateKeys(path)
	} else if err != nil {
		return Keys{}, fmt.Errorf("write key file: %w", err)
	}
	return k, nil
}
