package httpx

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlaceOf(t *testing.T) {
	t.Parallel()
	type inner struct {
		Qty  int64   `json:"qty"`
		Tags []int64 `json:"tags"`
	}
	type Embedded struct {
		In inner `json:"in"`
	}
	type body struct {
		Embedded
		Items []inner          `json:"items"`
		ByKey map[string]int64 `json:"by/key"`
	}
	cases := []struct{ body, want string }{
		{`{"in":{"qty":9223372036854775808}}`, "/in/qty"},
		{`{"in":{"tags":[1,2,"x"]},"items":[]}`, "/in/tags/2"},
		{`{"items":[{"qty":1,"tags":[]},{"tags":[1],"qty":"x"}]}`, "/items/1/qty"},
		{`{"items":[{"qty":1},{"qty":2}],"by/key":{"a":1,"b~":1.5}}`, "/by~1key/b~0"},
		{`{"in":[]}`, "/in"},
		{`{"in":{"tags":{"a":[1,{"b":2}]}}}`, "/in/tags"},
		{`[1]`, ""},
	}
	for _, c := range cases {
		var v body
		var wrong *json.UnmarshalTypeError
		require.True(t, errors.As(json.Unmarshal([]byte(c.body), &v), &wrong), c.body)
		require.Equal(t, c.want, placeOf([]byte(c.body), wrong.Offset), "%s at %d", c.body, wrong.Offset)
	}
}
