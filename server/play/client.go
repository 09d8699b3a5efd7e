// Package play uses the shop from outside, as its customers, distributors and admins do: over HTTP, with what the API
// answers. The story and the demo are played by it.
package play

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"fenxiao/server/base/crypt"
)

const (
	callTimeout    = 30 * time.Second
	answerBytesMax = 8 << 20
)

// Client is one person's access to the API.
type Client struct {
	Base  string // http://127.0.0.1:8080
	Token string // bearer; "" = nobody
	Lang  string // zh-CN or en
	HTTP  *http.Client

	keys *atomic.Int64
	name string
}

// NewClient makes somebody who is not logged in yet. The idempotency keys have the name, and chance in them, so that
// they differ from everybody else's and from those before a restart.
func NewClient(base, name string) *Client {
	return &Client{Base: base, Lang: "zh-CN", HTTP: &http.Client{Timeout: callTimeout}, keys: new(atomic.Int64), name: name + "-" + crypt.Token(6)}
}

// As returns the same person with a session.
func (c *Client) As(token string) *Client {
	out := *c
	out.Token = token
	return &out
}

// Problem is a refusal of the API.
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s %s", p.Status, p.Code, p.Title, p.Detail)
}

// Get reads.
func (c *Client) Get(ctx context.Context, path string, out any) error {
	return c.do(ctx, request{method: http.MethodGet, path: path}, out)
}

// Post does something once: every call has an idempotency key of its own.
func (c *Client) Post(ctx context.Context, path string, in, out any) error {
	return c.do(ctx, request{method: http.MethodPost, path: path, body: in, key: c.NewKey()}, out)
}

// PostWith does something under a key that the caller keeps, for repeating it.
func (c *Client) PostWith(ctx context.Context, key, path string, in, out any) error {
	return c.do(ctx, request{method: http.MethodPost, path: path, body: in, key: key}, out)
}

// Put replaces something.
func (c *Client) Put(ctx context.Context, path string, in, out any) error {
	return c.do(ctx, request{method: http.MethodPut, path: path, body: in, key: c.NewKey()}, out)
}

// Raw reads a body that is not JSON.
func (c *Client) Raw(ctx context.Context, path string) (contentType string, body []byte, err error) {
	res, body, err := c.send(ctx, request{method: http.MethodGet, path: path})
	if err != nil {
		return "", nil, err
	}
	return res.Header.Get("Content-Type"), body, nil
}

// NewKey makes an idempotency key.
func (c *Client) NewKey() string {
	return fmt.Sprintf("play-%s-%06d", c.name, c.keys.Add(1))
}

type request struct {
	method, path, key string
	body              any
}

func (c *Client) do(ctx context.Context, r request, out any) error {
	_, body, err := c.send(ctx, r)
	if err != nil || out == nil || len(body) == 0 {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", r.method, r.path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, []byte, error) {
	var content io.Reader
	if r.body != nil {
		b, err := json.Marshal(r.body)
		if err != nil {
			return nil, nil, err
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.Base+r.path, content)
	if err != nil {
		return nil, nil, err
	}
	c.header(req, r)
	res, err := c.HTTP.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		p := &Problem{Status: res.StatusCode}
		if json.Unmarshal(body, p) != nil {
			p.Detail = strconv.QuoteToASCII(string(body[:min(len(body), 200)]))
		}
		return nil, nil, fmt.Errorf("%s %s: %w", r.method, r.path, p)
	}
	return res, body, nil
}

func (c *Client) header(req *http.Request, r request) {
	req.Header.Set("Accept-Language", c.Lang)
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if r.key != "" {
		req.Header.Set("Idempotency-Key", r.key)
	}
}
