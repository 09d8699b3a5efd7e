package faults_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/e2e/shop"
)

// TestShutdown stops the shop under load: every request is answered, or was refused before it was accepted. What was
// acknowledged is there, and nothing else.
func TestShutdown(t *testing.T) {
	t.Parallel()
	shop.Each(t, func(t *testing.T, o shop.Options) {
		town := shop.Build(t, shop.Open(t, o))
		crowd := newCrowd(t, town)
		for _, p := range crowd.people { // a connection each request: none of them is cut for having been idle
			p.HTTP = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
		}
		slow := begin(t, crowd, "crowd-00-slow-request")
		var took time.Duration
		run := crowd.order(t, time.Minute, func() {
			time.Sleep(500 * time.Millisecond)
			started := time.Now()
			stopped := make(chan error, 1)
			go func() { stopped <- town.Stop() }()
			time.Sleep(200 * time.Millisecond) // the listener is closed by now
			slow.finish(t, http.StatusCreated)
			require.NoError(t, <-stopped)
			took = time.Since(started)
		})
		require.Empty(t, run.failed, "no request is answered with an error")
		require.Len(t, run.cut, len(crowd.people), "everybody was refused at last")
		require.Greater(t, len(run.done), len(crowd.people))
		for key, err := range run.cut {
			var known int
			require.NoError(t, town.App.DB.Q().Get(t.Context(), &known, "SELECT COUNT(*) FROM idem WHERE idem_key = ?", key))
			require.Zero(t, known, "%s was accepted and not answered: %v", key, err)
		}
		var orders int
		require.NoError(t, town.App.DB.Q().Get(t.Context(), &orders, "SELECT COUNT(*) FROM shop_order WHERE customer_id <> "+
			"(SELECT customer_id FROM shop_order ORDER BY id LIMIT 1)"))
		require.Equal(t, len(run.done)+1, orders, "what was acknowledged, the slow one too, and nothing else")
		proved(t, town)
		t.Logf("%d orders acknowledged, %d refused at the door, stopped in %d ms", len(run.done), len(run.cut), took.Milliseconds())
	})
}

// half is a request of which half has been sent.
type half struct {
	conn net.Conn
	rest []byte
}

func begin(t *testing.T, c *crowd, key string) half {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.town.Base, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	body := c.body(t)
	_, err = fmt.Fprintf(conn, "POST /api/v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"Authorization: Bearer %s\r\nIdempotency-Key: %s\r\n\r\n%s", len(body), c.people[0].Token, key, body[:len(body)/2])
	require.NoError(t, err)
	return half{conn, body[len(body)/2:]}
}

// finish sends the rest and reads the answer.
func (h half) finish(t *testing.T, status int) {
	t.Helper()
	_, err := h.conn.Write(h.rest)
	require.NoError(t, err)
	require.NoError(t, h.conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	res, err := http.ReadResponse(bufio.NewReader(h.conn), nil)
	require.NoError(t, err, "a request under way is answered")
	defer res.Body.Close()
	require.Equal(t, status, res.StatusCode)
	require.True(t, res.Close, "and the connection ends with it")
}
