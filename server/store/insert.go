package store

import (
	"context"
	"reflect"
)

// insertRowsMax bounds the rows of one INSERT: SQLite takes 32,766 parameters in a statement.
const insertRowsMax = 500

func sliceLen(rows any) (int, bool) {
	v := reflect.ValueOf(rows)
	if v.Kind() != reflect.Slice {
		return 0, false
	}
	return v.Len(), true
}

func (tx *Tx) insertSlice(ctx context.Context, query string, rows any, n int) error {
	v := reflect.ValueOf(rows)
	for from := 0; from < n; from += insertRowsMax {
		part := v.Slice(from, min(from+insertRowsMax, n)).Interface()
		if _, err := tx.raw.NamedExecContext(ctx, query, part); err != nil {
			return err
		}
	}
	return nil
}
