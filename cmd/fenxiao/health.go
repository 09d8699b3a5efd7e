package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	healthTimeout  = 3 * time.Second
	healthBytesMax = 4096
)

// runHealth is for a container's health check, where no other client is.
func runHealth(ctx context.Context, c *call) error {
	f := c.flags()
	url := f.String("url", "http://127.0.0.1:8080/healthz", "`URL` to ask")
	if err := c.parse(f, 0); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, *url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, healthBytesMax))
	if err != nil {
		return err
	}
	fmt.Fprintf(c.out, "%s\n%s\n", res.Status, body)
	if res.StatusCode != http.StatusOK {
		return errFailed
	}
	return nil
}
