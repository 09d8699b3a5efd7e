package httpx

import (
	"encoding/base64"
	"encoding/binary"
	"time"

	"fenxiao/server/base"
	"fenxiao/server/base/errs"
)

// Cursor is where a page of a feed ends: the time and the id of its last row. The next page begins beyond:
// t < ? OR (t = ? AND id < ?): written so that every database uses the index.
type Cursor struct {
	TimeMs int64
	ID     int64
}

const (
	cursorVersion = 1
	cursorBytes   = 17
)

// String is the cursor as clients pass it back: opaque.
func (c Cursor) String() string {
	b := append(make([]byte, 0, cursorBytes), cursorVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.TimeMs))
	b = binary.BigEndian.AppendUint64(b, uint64(c.ID))
	return base64.RawURLEncoding.EncodeToString(b)
}

// ParseCursor reads what String wrote; "" is the zero cursor, the beginning.
func ParseCursor(s string) (Cursor, error) {
	if s == "" {
		return Cursor{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != cursorBytes || b[0] != cursorVersion {
		return Cursor{}, errBadCursor
	}
	c := Cursor{int64(binary.BigEndian.Uint64(b[1:])), int64(binary.BigEndian.Uint64(b[9:]))}
	if c.TimeMs < 0 || c.ID <= 0 {
		return Cursor{}, errBadCursor
	}
	return c, nil
}

var errBadCursor = errs.E(errs.Invalid, "request.bad_cursor", "翻页位置无效，请从第一页重新开始",
	errs.EN("The cursor is not one of ours. Start from the first page."), errs.At("/query/cursor", "format", "翻页位置无效"))

// FeedInput is what operations that list by cursor embed in their input.
type FeedInput struct {
	Cursor string `query:"cursor" maxLength:"64" doc:"next_cursor of the page before; empty: the first page"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

// Feed is a page of a feed.
type Feed[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor" doc:"Empty on the last page"`
}

// NewFeed makes a page of rows, of which the caller has read one more than the limit to see whether there is another
// page.
func NewFeed[R, T any](rows []R, limit int, at func(R) Cursor, show func(R) T) Feed[T] {
	f := Feed[T]{Items: make([]T, 0, min(len(rows), limit))}
	for i, r := range rows {
		if i == limit {
			f.NextCursor = at(rows[i-1]).String()
			break
		}
		f.Items = append(f.Items, show(r))
	}
	return f
}

// PageInput is what operations that list by page number embed in their input.
type PageInput struct {
	Page     int `query:"page" minimum:"1" maximum:"1000" default:"1"`
	PageSize int `query:"page_size" minimum:"1" maximum:"100" default:"20"`
}

// Offset is how many rows come before the page.
func (p PageInput) Offset() int { return (p.Page - 1) * p.PageSize }

// Page is a page of a table.
type Page[T any] struct {
	Items    []T   `json:"items"`
	Total    int64 `json:"total"`
	Page     int   `json:"page"`
	PageSize int   `json:"page_size"`
}

// NewPage makes a page of rows.
func NewPage[R, T any](in PageInput, total int64, rows []R, show func(R) T) Page[T] {
	p := Page[T]{Items: make([]T, 0, len(rows)), Total: total, Page: in.Page, PageSize: in.PageSize}
	for _, r := range rows {
		p.Items = append(p.Items, show(r))
	}
	return p
}

// Time is an instant of stored milliseconds as answers show it: RFC 3339 with Z; nil for 0, so that the field, with
// omitempty, is left out.
func Time(ms int64) *time.Time {
	if ms == 0 {
		return nil
	}
	t := base.Time(ms)
	return &t
}
