// Package live talks to the real WeChat: log-in, scene codes and shipping information through silenceper/wechat, WeChat
// Pay through wechatpay-go. It is the only package that knows the two libraries.
//
// Both have their hosts built in. Every request goes through a gate that lets only that host pass and, where a base
// URL is configured, turns it to that one; signatures do not cover the host.
package live

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"fenxiao/server/wechat"
)

// The hosts that the libraries call.
const (
	MiniHost = "api.weixin.qq.com"
	PayHost  = "api.mch.weixin.qq.com"
)

// TimeoutDefault bounds one call of the port, its retry with a new token included.
const TimeoutDefault = 10 * time.Second

// Config is who we are to WeChat. Its secrets are never part of an error.
type Config struct {
	AppID     string
	AppSecret string
	MchID     string

	SerialNo      string // of the merchant certificate
	PrivateKeyPEM []byte // of the merchant, PKCS #8
	PublicKeyID   string // PUB_KEY_ID_…
	PublicKeyPEM  []byte // of WeChat Pay
	APIV3Key      string // 32 bytes

	// PlatformCertsPEM are WeChat Pay's older certificates, one after the other. They are needed only while an account
	// moves from certificates to the public key: notifications may be signed with either then.
	PlatformCertsPEM []byte

	MiniBaseURL string        // empty is the real one; else https, or http on this machine
	PayBaseURL  string        // likewise
	Timeout     time.Duration // of one call; 0 is TimeoutDefault

	Cache TokenCache // shared by replicas; nil keeps the access token in memory
}

// Client is WeChat for one merchant and one mini-program. It is safe for concurrent use.
type Client struct {
	mini
	pay
	transport *http.Transport
	skewMs    *atomic.Int64
}

var (
	_ wechat.Mini = (*Client)(nil)
	_ wechat.Pay  = (*Client)(nil)
)

// New checks the configuration and makes a client. It does not talk to WeChat yet.
func New(cfg Config) (*Client, error) {
	if cfg.AppID == "" || cfg.AppSecret == "" || cfg.MchID == "" || cfg.SerialNo == "" || cfg.PublicKeyID == "" {
		return nil, errors.New("wechat: app id, app secret, merchant id, certificate serial and public key id are all needed")
	}
	if len(cfg.APIV3Key) != 32 {
		return nil, fmt.Errorf("wechat: the APIv3 key has 32 bytes, not %d", len(cfg.APIV3Key))
	}
	keys, err := loadKeys(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = TimeoutDefault
	}
	if cfg.Cache == nil {
		cfg.Cache = newMemory()
	}
	c := &Client{transport: newTransport(), skewMs: new(atomic.Int64)}
	miniGate, err := c.gate(MiniHost, cfg.MiniBaseURL)
	if err != nil {
		return nil, err
	}
	payGate, err := c.gate(PayHost, cfg.PayBaseURL)
	if err != nil {
		return nil, err
	}
	c.mini = newMini(cfg, miniGate)
	c.pay, err = newPay(cfg, keys, payGate)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// ClockSkew is how far WeChat's clock is ahead of this machine's, to the second, as its last answer had it; 0 before
// the first. From five minutes on, every signature is refused on both sides.
func (c *Client) ClockSkew() time.Duration {
	return time.Duration(c.skewMs.Load()) * time.Millisecond
}

func (c *Client) gate(host, base string) (gate, error) {
	if base == "" {
		base = "https://" + host
	}
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Path != "" && u.Path != "/" {
		return gate{}, fmt.Errorf("wechat: the base URL for %s has to be a scheme and a host", host)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !wechat.IsLoopback(u.Hostname())) {
		return gate{}, fmt.Errorf("wechat: the base URL for %s has to be https, or http on this machine", host)
	}
	return gate{host: host, base: u, next: c.transport, skewMs: c.skewMs}, nil
}

// keys are the parsed keys of a configuration.
type keys struct {
	merchant *rsa.PrivateKey
	wechat   *rsa.PublicKey
	certs    []*x509.Certificate
}

func loadKeys(cfg Config) (keys, error) {
	var k keys
	var err error
	if k.merchant, err = utils.LoadPrivateKey(string(cfg.PrivateKeyPEM)); err != nil {
		return keys{}, errors.New("wechat: the merchant's private key cannot be read as PKCS #8 in PEM")
	}
	if k.wechat, err = utils.LoadPublicKey(string(cfg.PublicKeyPEM)); err != nil {
		return keys{}, errors.New("wechat: WeChat Pay's public key cannot be read as PEM")
	}
	for rest := cfg.PlatformCertsPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return k, nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return keys{}, fmt.Errorf("wechat: read platform certificate: %w", err)
		}
		k.certs = append(k.certs, cert)
	}
}
