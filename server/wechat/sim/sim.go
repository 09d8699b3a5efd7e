// Package sim simulates the parts of WeChat that a mini-program shop calls: an HTTP server with the same paths, keys
// and signatures as the mini-program server API and WeChat Pay v3, with books of its own, and a control API under
// /_sim/ that plays the user and makes things go wrong. It is strict: where WeChat refuses, it refuses.
//
// Signatures carry wall time, always. Everything about business (order expiry, the 24 hours of a transfer, bills)
// follows Options.Now, which the shop under test shares.
package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"fenxiao/server/base/clock"
)

// Options says how to simulate. The zero value is a merchant in memory with everything at its default.
type Options struct {
	Dir         string           // keys, merchant.json and books; "" = memory only (keys are still made)
	Now         func() time.Time // business clock; nil = wall time
	Seed        uint64           // deterministic numbers; 0 = random
	Log         *slog.Logger     // nil = discard
	NotifyScale float64          // factor of the retry schedule; 0 is 1 = real (15s, 15s, 30s, 3m, …)
	NotifySync  bool             // the first delivery is tried before a control call (pay, confirm, settle) returns
	Production  bool             // New refuses: a simulator has no place there
	Keys        *Keys            // nil = load from Dir or make; tests share one set

	Certificates bool           // the merchant also has a platform certificate (GET /v3/certificates answers)
	FeeBP        int            // what WeChat keeps of a payment, basis points; 0 = 60, negative = nothing
	RefundDelay  time.Duration  // business time until a refund succeeds; 0 = 2 s, negative = at once
	RefundGap    time.Duration  // WeChat wants 1 min between refunds of one order; 0 = 1 min, negative = none
	Transfer     TransferLimits // zero fields take the defaults
	Scenes       []string       // transfer scenes the merchant may use; nil = 1005 only
	Pages        []string       // pages of the released version; nil = any well-formed page
	Templates    []string       // subscribe templates of the app; nil = any
	PushURL      string         // where message push goes; "" = nowhere
}

// Merchant is everything that a client needs to talk to the simulator.
type Merchant struct {
	AppID, AppSecret, MchID, SerialNo, PublicKeyID, APIV3Key, BaseURL string
	PrivateKeyPEM, CertPEM, PublicKeyPEM                              []byte
	PushToken, PushAESKey                                             string // message push
}

// identity is what a folder keeps of the merchant besides the keys. merchant.json adds the address to it.
type identity struct {
	AppID       string `json:"appid"`
	AppSecret   string `json:"app_secret"`
	MchID       string `json:"mchid"`
	SerialNo    string `json:"serial_no"`
	PublicKeyID string `json:"public_key_id"`
	APIV3Key    string `json:"api_v3_key"`
	BaseURL     string `json:"base_url,omitempty"`
	PushToken   string `json:"push_token"`
	PushAESKey  string `json:"push_aes_key"`
	Simulated   bool   `json:"simulated"`
}

const (
	merchantFile = "merchant.json"
	identityFile = "identity.json"
	listMax      = 10_000 // bound of the lists that only people look at
	bodyMax      = 1 << 20
)

var shopZone = clock.Shop

// Server is a simulated WeChat.
type Server struct {
	o    Options
	keys *Keys
	log  *slog.Logger
	mux  *http.ServeMux
	wall func() time.Time

	mu           sync.Mutex // everything below
	id           identity
	ids          *source // business numbers
	noise        *source // nonces and the like, so that the numbers do not depend on how often something was signed
	marks        marks
	journal      *os.File
	dirty        []any
	users        map[string]*User // by openid
	orders       map[string]*Order
	byTrade      map[string]*Order // by transaction_id
	byPrepay     map[string]*Order
	refunds      map[string]*Refund
	transfers    map[string]*Transfer
	byBill       map[string]*Transfer
	balances     map[string]int64
	flows        []Flow
	notifies     []*Notify
	byNotify     map[string]*Notify
	messages     []Message
	codes        []SceneCode
	violations   []Violation
	openRefunds  map[string]*Refund // not final yet
	openBills    map[string]*Transfer
	openShips    map[string]*Order
	shipDueMS    int64              // when the first of them confirms itself
	pending      map[string]*Notify // still to be delivered
	faults       []*Fault
	faultSeq     int64
	mini         miniState
	nonces       map[string]int64 // seen in the last minutes, wall ms
	nonceSweepMS int64
	downloads    map[string]download
	certs        bool
	limits       TransferLimits
	oldPlatform  []platformPair // rotated out, still valid

	worker *worker
	httpd  *http.Server
	done   chan struct{}
	once   sync.Once
}

// New loads the keys and books of o.Dir, or makes them.
func New(o Options) (*Server, error) {
	if o.Production {
		return nil, errors.New("sim: refuses to run in production: it would pretend that money moved")
	}
	ids, noise := newSource(o.Seed), newSource(o.Seed)
	noise.epoch = noiseEpoch
	s := &Server{
		o: o, log: o.Log, wall: clock.Wall, ids: ids, noise: noise, done: make(chan struct{}),
		users: map[string]*User{}, orders: map[string]*Order{}, byTrade: map[string]*Order{}, byPrepay: map[string]*Order{},
		refunds: map[string]*Refund{}, transfers: map[string]*Transfer{}, byBill: map[string]*Transfer{},
		balances: map[string]int64{Basic: openingFen, Operating: openingFen}, byNotify: map[string]*Notify{},
		openRefunds: map[string]*Refund{}, openBills: map[string]*Transfer{}, openShips: map[string]*Order{}, shipDueMS: math.MaxInt64,
		pending: map[string]*Notify{}, nonces: map[string]int64{}, downloads: map[string]download{},
		certs: o.Certificates, limits: o.Transfer.orDefault(), mini: newMiniState(),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.o.Now == nil {
		s.o.Now = clock.Wall
	}
	if s.o.NotifyScale <= 0 {
		s.o.NotifyScale = 1
	}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	s.worker = newWorker(s)
	s.mux = s.routes()
	return s, nil
}

// prepare brings keys, identity and books together.
func (s *Server) prepare() error {
	var err error
	if s.o.Dir == "" {
		if s.keys = s.o.Keys; s.keys == nil {
			s.keys, err = GenerateKeys()
		}
		if err == nil {
			s.id = s.mintIdentity()
		}
		return err
	}
	if err := os.MkdirAll(filepath.Join(s.o.Dir, keyFolder), 0o755); err != nil {
		return fmt.Errorf("make simulator folder: %w", err)
	}
	// A stale one would name a port that nobody listens on; scripts wait for the fresh one.
	if err := os.Remove(filepath.Join(s.o.Dir, merchantFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove stale merchant file: %w", err)
	}
	if err := s.loadIdentity(); err != nil {
		return err
	}
	return s.openBooks(s.o.Dir)
}

func (s *Server) loadIdentity() error {
	path := filepath.Join(s.o.Dir, keyFolder, identityFile)
	raw, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if s.keys = s.o.Keys; s.keys == nil {
			if s.keys, err = GenerateKeys(); err != nil {
				return err
			}
		}
		if err := saveKeys(s.o.Dir, s.keys); err != nil {
			return err
		}
		s.id = s.mintIdentity()
		raw, err := json.MarshalIndent(s.id, "", "  ")
		if err != nil {
			return fmt.Errorf("encode identity: %w", err)
		}
		return writeAtomic(path, raw, filePrivate) // last: its presence says that the keys are whole
	case err != nil:
		return fmt.Errorf("read identity: %w", err)
	}
	if err := json.Unmarshal(raw, &s.id); err != nil {
		return fmt.Errorf("read identity: %w", err)
	}
	s.keys, err = loadKeys(s.o.Dir)
	return err
}

func (s *Server) mintIdentity() identity {
	return identity{
		AppID: "wx" + hexLower(s.ids, 8), AppSecret: hexLower(s.ids, 16), MchID: "16" + s.ids.digits(8),
		SerialNo: serialOf(s.keys.MerchantCert), PublicKeyID: "PUB_KEY_ID_01" + s.ids.digits(24),
		APIV3Key: s.ids.text(32), PushToken: s.ids.text(16), PushAESKey: s.ids.text(42) + "A", Simulated: true,
	}
}

func hexLower(s *source, n int) string {
	b := make([]byte, n)
	_, _ = s.Read(b)
	return fmt.Sprintf("%x", b)
}

// Merchant tells what a client needs. BaseURL is set once the server was started.
func (s *Server) Merchant() Merchant {
	s.lock()
	defer s.unlock()
	key, errKey := privatePEM(s.keys.Merchant)
	pub, errPub := publicPEM(&s.keys.WeChatPay.PublicKey)
	if err := errors.Join(errKey, errPub); err != nil {
		panic(err) // keys that were generated or parsed always encode
	}
	return Merchant{
		AppID: s.id.AppID, AppSecret: s.id.AppSecret, MchID: s.id.MchID, SerialNo: s.id.SerialNo,
		PublicKeyID: s.id.PublicKeyID, APIV3Key: s.id.APIV3Key, BaseURL: s.id.BaseURL,
		PrivateKeyPEM: key, CertPEM: pemOf("CERTIFICATE", s.keys.MerchantCert.Raw), PublicKeyPEM: pub,
		PushToken: s.id.PushToken, PushAESKey: s.id.PushAESKey,
	}
}

// Handler answers everything: the mini-program API, WeChat Pay and the control API.
func (s *Server) Handler() http.Handler { return s.mux }

// Start listens on addr (port 0 takes a free one), then writes merchant.json into Dir, last and whole.
func (s *Server) Start(addr string) (string, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listen on %s: %w", addr, err)
	}
	at := ln.Addr().(*net.TCPAddr) // what a tcp listener has
	if !at.IP.IsLoopback() {
		s.log.Warn("the simulator's control API asks nobody who they are, and listens beyond this machine", "addr", at.String())
	}
	base := "http://" + reachable(at)
	s.lock()
	s.id.BaseURL = base
	s.httpd = &http.Server{Handler: s.mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
	s.unlock()
	s.worker.start()
	go func() {
		if err := s.httpd.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("simulator stopped", "err", err)
		}
	}()
	if s.o.Dir == "" {
		return base, nil
	}
	raw, err := json.MarshalIndent(s.id, "", "  ")
	if err == nil {
		err = writeAtomic(filepath.Join(s.o.Dir, merchantFile), append(raw, '\n'), filePrivate)
	}
	if err != nil {
		_ = s.httpd.Close()
		return "", fmt.Errorf("write merchant file: %w", err)
	}
	return base, nil
}

// reachable is the address a client on this machine uses.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}

// Close stops listening and delivering and closes the books. It waits for what is under way until ctx ends.
func (s *Server) Close(ctx context.Context) error {
	var err error
	s.once.Do(func() {
		close(s.done)
		if s.httpd != nil {
			err = s.httpd.Shutdown(ctx)
			_ = s.httpd.Close()
		}
		s.worker.stop(ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.journal != nil {
			err = errors.Join(err, s.journal.Close())
			s.journal = nil
		}
	})
	return err
}

// now is the business clock. Call it under the lock.
func (s *Server) now() time.Time {
	return s.o.Now().Add(time.Duration(s.marks.ShiftMS) * time.Millisecond)
}

// Run serves on addr until ctx ends, telling on out where; it is what `fenxiao wxsim` does.
func Run(ctx context.Context, o Options, addr string, out func(base string)) error {
	s, err := New(o)
	if err != nil {
		return err
	}
	base, err := s.Start(addr)
	if err != nil {
		return err
	}
	out(base)
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.Close(stop)
}
