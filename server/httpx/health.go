package httpx

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/store"
)

const (
	skewMax   = 10 * time.Second
	checkTime = 3 * time.Second
)

// Check is one thing that readiness depends on, or only tells.
type Check struct {
	Name     string
	Critical bool // not ready without it
	Run      func(ctx context.Context) error
}

// DatabaseChecks are: it answers, its tables are those of the program, and the clocks agree within 10 s.
func DatabaseChecks(db *store.DB) []Check {
	var migrated atomic.Bool // once true it stays
	return []Check{
		{Name: "database", Critical: true, Run: db.Ping},
		{Name: "migrations", Critical: true, Run: func(ctx context.Context) error {
			if migrated.Load() {
				return nil
			}
			err := db.CheckMigrated(ctx)
			migrated.Store(err == nil)
			return err
		}},
		{Name: "clock", Critical: true, Run: func(ctx context.Context) error {
			skew, err := db.Skew(ctx)
			if err == nil && skew.Abs() > skewMax {
				err = fmt.Errorf("this machine's clock is %s off the database's", skew)
			}
			return err
		}},
	}
}

type healthBody struct {
	Status string        `json:"status"`
	Checks []checkResult `json:"checks,omitempty"`
}

type checkResult struct {
	Name     string `json:"name"`
	OK       bool   `json:"ok"`
	Critical bool   `json:"critical"`
}

// RegisterHealth adds /healthz (the process is alive) and /readyz (it can serve). What is wrong in detail goes to the
// log, because everybody may ask.
func RegisterHealth(a *API, checks ...Check) {
	RegisterRaw(a, Op{ID: "health", Method: http.MethodGet, Path: "/healthz", Root: true, Summary: "Alive", Tags: []string{"system"}, Permission: access.Public, Unlimited: true},
		func(c *gin.Context) { c.JSON(http.StatusOK, healthBody{Status: "ok"}) })
	RegisterRaw(a, Op{
		ID: "ready", Method: http.MethodGet, Path: "/readyz", Root: true, Summary: "Ready to serve",
		Description: "503 while stopping, or while something critical fails.", Tags: []string{"system"}, Permission: access.Public, Unlimited: true,
		Errors: []int{http.StatusServiceUnavailable},
	}, func(c *gin.Context) {
		body, ready := a.engine.runChecks(c.Request.Context(), checks)
		code := http.StatusOK
		if !ready {
			code = http.StatusServiceUnavailable
		}
		c.JSON(code, body)
	})
}

func (e *Engine) runChecks(ctx context.Context, checks []Check) (body healthBody, ready bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	body, ready = healthBody{Status: "ready"}, true
	for _, ch := range checks {
		err := ch.Run(ctx)
		body.Checks = append(body.Checks, checkResult{ch.Name, err == nil, ch.Critical})
		if err == nil {
			continue
		}
		e.opts.Log.WarnContext(ctx, "check", "name", ch.Name, "critical", ch.Critical, "error", err.Error())
		if ch.Critical {
			ready = false
		} else {
			body.Status = "degraded"
		}
	}
	if !ready {
		body.Status = "not ready"
	}
	if e.draining.Load() {
		body.Status, ready = "stopping", false
	}
	return body, ready
}
