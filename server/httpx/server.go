package httpx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server listens, and stops without losing a request.
type Server struct {
	Engine            *Engine
	Metrics           *Metrics // served on MetricsAddr; nil: not at all
	Addr              string
	MetricsAddr       string // "": none
	Log               *slog.Logger
	ReadHeaderTimeout time.Duration
	IdleTimeout       time.Duration
	DrainDelay        time.Duration // how long to go on while /readyz says no
	ShutdownTimeout   time.Duration // how long requests under way may take to end

	listener, metrics net.Listener
}

// Listen takes the addresses, so that a port that is in use is told before anything starts. It returns the address
// that requests are taken at, with the port where ":0" was asked for.
func (s *Server) Listen(ctx context.Context) (addr string, err error) {
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(ctx, "tcp", s.Addr); err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	if s.MetricsAddr != "" && s.Metrics != nil {
		if s.metrics, err = lc.Listen(ctx, "tcp", s.MetricsAddr); err != nil {
			_ = s.listener.Close()
			return "", fmt.Errorf("listen for metrics: %w", err)
		}
	}
	return s.listener.Addr().String(), nil
}

// MetricsAddress is where metrics are served, "" for nowhere.
func (s *Server) MetricsAddress() string {
	if s.metrics == nil {
		return ""
	}
	return s.metrics.Addr().String()
}

// Serve answers until ctx ends; then it says so on /readyz, goes on for DrainDelay, takes no new connections and waits
// for the requests under way. Contexts of requests do not end with ctx.
func (s *Server) Serve(ctx context.Context) error {
	main := s.httpServer(s.Engine)
	failed := make(chan error, 2)
	go func() { failed <- main.Serve(s.listener) }()
	var side *http.Server
	if s.metrics != nil {
		side = s.httpServer(s.Metrics.Handler())
		go func() { failed <- side.Serve(s.metrics) }()
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	s.Engine.Drain()
	if err == nil && s.DrainDelay > 0 {
		t := time.NewTimer(s.DrainDelay)
		select {
		case <-t.C:
		case err = <-failed:
		}
		t.Stop()
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.ShutdownTimeout)
	defer cancel()
	if serr := main.Shutdown(stop); serr != nil {
		_ = main.Close()
		err = errors.Join(err, fmt.Errorf("requests were still under way after %s: %w", s.ShutdownTimeout, serr))
	}
	if side != nil {
		_ = side.Close() // a scrape that is cut is asked again
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: s.ReadHeaderTimeout,
		IdleTimeout:       s.IdleTimeout,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug), // broken handshakes and the like
	}
}
