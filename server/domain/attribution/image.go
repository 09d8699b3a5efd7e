package attribution

import (
	"context"
	"fmt"

	"fenxiao/server/store"
)

// ImageKey says which drawing of a promo code.
type ImageKey struct {
	Code  string
	Page  string
	Width int // pixels
	Env   string
}

const (
	imageSQL       = `SELECT image FROM promo_image WHERE code = ? AND page = ? AND width = ? AND env = ?`
	imageInsertSQL = `INSERT INTO promo_image (code, page, width, env, image, made_ms) VALUES (:code, :page, :width, :env, :image, :made_ms)`
)

// Image returns a kept drawing as JPEG and whether there is one.
func Image(ctx context.Context, q store.Q, k ImageKey) ([]byte, bool, error) {
	var image []byte
	err := q.Get(ctx, &image, imageSQL, k.Code, k.Page, k.Width, k.Env)
	if store.NotFound(err) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read promo image: %w", err)
	}
	return image, true, nil
}

// KeepImage stores a drawing. One that is there stays: codes never expire at WeChat.
func KeepImage(ctx context.Context, tx *store.Tx, k ImageKey, jpeg []byte) error {
	err := tx.Insert(ctx, imageInsertSQL, struct {
		Code   string `db:"code"`
		Page   string `db:"page"`
		Width  int    `db:"width"`
		Env    string `db:"env"`
		Image  []byte `db:"image"`
		MadeMs int64  `db:"made_ms"`
	}{k.Code, k.Page, k.Width, k.Env, jpeg, tx.NowMs()})
	if err != nil && !store.IsDup(err) {
		return fmt.Errorf("write promo image: %w", err)
	}
	return nil
}
