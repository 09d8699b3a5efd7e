package httpx

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is the program's own registry, with what every part of it registers.
type Metrics struct {
	Registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	replays  *prometheus.CounterVec
	limited  *prometheus.CounterVec
}

// NewMetrics returns a registry with the measurements of requests, of Go and of the process.
func NewMetrics() *Metrics {
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fenxiao_http_requests_total", Help: "Requests answered, by operation and status.",
		}, []string{"op", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "fenxiao_http_request_seconds", Help: "How long requests took, by operation.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"op"}),
		replays: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fenxiao_http_replays_total", Help: "Requests answered from a stored answer, by operation.",
		}, []string{"op"}),
		limited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "fenxiao_http_limited_total", Help: "Requests refused for their rate, by limit.",
		}, []string{"limit"}),
	}
	m.Registry.MustRegister(m.requests, m.seconds, m.replays, m.limited,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) request(op string, status int, seconds float64) {
	if m == nil {
		return
	}
	m.requests.WithLabelValues(op, strconv.Itoa(status)).Inc()
	m.seconds.WithLabelValues(op).Observe(seconds)
}

func (m *Metrics) replayed(op string) {
	if m != nil {
		m.replays.WithLabelValues(op).Inc()
	}
}

func (m *Metrics) refused(limit string) {
	if m != nil {
		m.limited.WithLabelValues(limit).Inc()
	}
}

// Handler serves /metrics, for a listener of its own.
func (m *Metrics) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{}))
	return mux
}
