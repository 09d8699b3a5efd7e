package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	deliverTimeout = 5 * time.Second // WeChat waits no longer for an answer
	deliverAtOnce  = 8
	idleTick       = 500 * time.Millisecond
	maxSleep       = time.Hour
)

// worker delivers what is due in the background. It starts with the first notification or with Start.
type worker struct {
	s      *Server
	client *http.Client
	ctx    context.Context //nolint:containedctx // ends the deliveries of this worker when it is stopped
	cancel context.CancelFunc
	kick   chan struct{}
	slots  chan struct{}
	mu     sync.Mutex
	on     bool
	off    bool
	wg     sync.WaitGroup
}

func newWorker(s *Server) *worker {
	w := &worker{s: s, kick: make(chan struct{}, 1), slots: make(chan struct{}, deliverAtOnce)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.client = &http.Client{
		Timeout:   deliverTimeout,
		Transport: &http.Transport{MaxIdleConnsPerHost: deliverAtOnce, IdleConnTimeout: 30 * time.Second},
		// A redirect could lead off this machine; WeChat does not follow them either.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return w
}

func (w *worker) start() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.on && !w.off {
		w.on = true
		w.wg.Go(w.loop)
	}
}

// wake makes the worker look again; it starts it if need be.
func (w *worker) wake() {
	w.start()
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

func (w *worker) stop(ctx context.Context) {
	w.mu.Lock()
	w.off = true
	w.mu.Unlock()
	ended := make(chan struct{})
	go func() { w.wg.Wait(); close(ended) }()
	select { // the loop sees s.done; what is under way may finish
	case <-ended:
	case <-ctx.Done():
	}
	w.cancel()
	<-ended
	w.client.CloseIdleConnections()
}

func (w *worker) loop() {
	for {
		due, sleep := w.s.due()
		for _, n := range due {
			select {
			case w.slots <- struct{}{}:
			case <-w.s.done:
				return
			}
			w.wg.Go(func() {
				defer func() { <-w.slots }()
				w.s.deliver(w.ctx, n)
			})
		}
		t := time.NewTimer(sleep)
		select {
		case <-w.s.done:
			t.Stop()
			return
		case <-w.kick:
		case <-t.C:
		}
		t.Stop()
	}
}

// due claims the notifications whose time has come and says how long to sleep.
func (s *Server) due() ([]*Notify, time.Duration) {
	s.lock()
	defer s.unlock()
	s.settleDue(false)
	wallMS, nowMS := s.wall().UnixMilli(), s.now().UnixMilli()
	sleep := maxSleep
	if len(s.openRefunds)+len(s.openBills)+len(s.openShips) > 0 {
		sleep = idleTick // business time may have moved
	}
	var out []*Notify
	for _, n := range s.pending {
		switch {
		case n.State != notifyPending || n.busy != nil:
		case n.NextWall <= wallMS || n.NextMS <= nowMS:
			n.busy = make(chan struct{})
			out = append(out, n)
		default:
			sleep = min(sleep, idleTick, time.Duration(n.NextWall-wallMS)*time.Millisecond)
		}
	}
	return out, sleep
}

// afterControl delivers what a control call brought about: at once if the options say so, else by the worker.
func (s *Server) afterControl(ctx context.Context, made ...*Notify) {
	if s.o.NotifySync {
		for _, n := range made {
			s.deliverNow(ctx, n)
		}
	}
	s.worker.wake()
}

// deliverNow delivers n in this goroutine, or waits for the one that is at it, unless n is not to go out.
func (s *Server) deliverNow(ctx context.Context, n *Notify) {
	if n == nil {
		return
	}
	s.lock()
	under := n.busy
	ok := under == nil && n.State == notifyPending && (n.NextMS <= s.now().UnixMilli() || n.NextWall <= s.wall().UnixMilli())
	if ok {
		n.busy = make(chan struct{})
	}
	s.unlock()
	switch {
	case ok:
		s.deliver(ctx, n)
	case under != nil:
		select {
		case <-under:
		case <-ctx.Done():
		}
	}
}

// deliver sends a claimed notification, with the oddities its fault asked for, and books the outcome.
func (s *Server) deliver(ctx context.Context, n *Notify) {
	s.lock()
	q := n.Quirks
	n.Quirks.Prelude = false
	s.unlock()
	if q.Prelude {
		s.sendPrelude(ctx, n, q.Mode)
	}
	var a Attempt
	switch q.Mode {
	case NotifyConcurrent:
		var wg sync.WaitGroup
		tries := make([]Attempt, max(1, q.Copies))
		for i := range tries {
			wg.Go(func() { tries[i], _ = s.post(ctx, n, flawNone) })
		}
		wg.Wait()
		for _, a = range tries {
			if a.Status == 200 || a.Status == 204 {
				break
			}
		}
	default:
		var sent *message
		a, sent = s.post(ctx, n, flawNone)
		ok := a.Status == 200 || a.Status == 204
		for i := 1; ok && q.Mode == NotifyDuplicate && i < q.Copies; i++ {
			s.post(ctx, n, flawNone)
		}
		if ok && q.Mode == NotifyReplay && sent != nil {
			s.pause(ctx, time.Duration(q.ReplayMS)*time.Millisecond)
			s.send(ctx, *sent)
		}
	}
	s.lock()
	close(n.busy)
	n.busy = nil
	s.noted(n, a)
	s.unlock()
	s.worker.wake() // it may be asleep, not knowing of the next try
}

func (s *Server) pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-s.done:
	}
}

// The ways a message can be malformed although it is signed (or is a probe of whether signatures are checked).
type flaw int

const (
	flawNone flaw = iota
	flawProbe
	flawNoResource
	flawShortNonce
)

func (s *Server) sendPrelude(ctx context.Context, n *Notify, mode string) {
	how := map[string]flaw{NotifyProbe: flawProbe, NotifyMissingResource: flawNoResource, NotifyShortNonce: flawShortNonce}[mode]
	a, _ := s.post(ctx, n, how)
	if a.Status >= 200 && a.Status < 300 {
		s.note("accepted_"+mode, n.Event+" about "+n.Group+": answered "+http.StatusText(a.Status))
	}
}

// message is one delivery, ready to be sent, or to be sent again byte by byte.
type message struct {
	url    string
	header http.Header
	body   []byte
}

// post seals, signs and sends once.
func (s *Server) post(ctx context.Context, n *Notify, how flaw) (Attempt, *message) {
	compose := func() (*message, error) { return s.compose(n, how) }
	if n.Kind == pushEvent {
		compose = func() (*message, error) { return s.composePush(n) }
	}
	m, err := compose()
	if err != nil {
		return Attempt{WallMS: s.wall().UnixMilli(), Err: err.Error()}, nil
	}
	return s.send(ctx, *m), m
}

func (s *Server) compose(n *Notify, how flaw) (*message, error) {
	s.lock()
	nonceLen := 12
	if how == flawShortNonce {
		nonceLen = 8
	}
	nonce, plain, created := s.noise.text(nonceLen), n.Plain, n.CreateMS
	fault := s.draw("NOTIFY", n.Event, n.Number, func(a Action) bool { return a.Sig != "" })
	asked := s.id.PublicKeyID
	for _, f := range s.faults {
		if p := f.Action.KeyGrayPercent; p > 0 && s.noise.percent() < p {
			asked = "" // the certificate's, or the key's if the merchant has no certificate
		}
	}
	pair := s.signerLocked(asked)
	s.unlock()
	sealed, err := seal(s.id.APIV3Key, nonce, n.Kind, plain)
	if err != nil {
		return nil, err
	}
	envelope := map[string]any{
		"id": n.ID, "create_time": payTime(created), "event_type": n.Event, "resource_type": "encrypt-resource", "summary": n.Summary,
		"resource": map[string]string{
			"original_type": n.Kind, "algorithm": "AEAD_AES_256_GCM", "ciphertext": sealed, "associated_data": n.Kind, "nonce": nonce,
		},
	}
	if how == flawNoResource {
		delete(envelope, "resource")
	}
	body, err := json.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	m := &message{url: n.URL, header: http.Header{}, body: body}
	s.flawed(fault, pair, s.skewed(), body).apply(m.header)
	switch {
	case how == flawProbe:
		m.header.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+m.header.Get("Wechatpay-Signature"))
	case fault != nil && fault.Sig == SigMissing:
		m.header.Del("Wechatpay-Signature")
	}
	m.header.Set("Content-Type", "application/json")
	m.header.Set("Accept", "*/*")
	m.header.Set("User-Agent", "Mozilla/4.0 (simulated WeChat Pay)")
	return m, nil
}

func (s *Server) send(ctx context.Context, m message) Attempt {
	a := Attempt{WallMS: s.wall().UnixMilli()}
	ctx, cancel := context.WithTimeout(ctx, deliverTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		a.Err = err.Error()
		return a
	}
	req.Header = m.header.Clone()
	res, err := s.worker.client.Do(req)
	if err != nil {
		a.Err = clip(err.Error(), 200)
		return a
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, bodyMax)) // so that the connection can be used again
	a.Status = res.StatusCode
	return a
}
