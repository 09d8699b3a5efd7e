package live_test

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/clock"
	"fenxiao/server/wechat/live"
)

const (
	appID     = "wx0123456789abcdef"
	appSecret = "5ecre7-0f-the-app"
	mchID     = "1900000001"
	serialNo  = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
	keyID     = "PUB_KEY_ID_0119000000012026112300000001"
	apiV3Key  = "0123456789abcdef0123456789ABCDEF"
)

// keyring holds one merchant's and one WeChat's keys for all tests, because making them takes long.
type keyring struct {
	merchant, wechat, other *rsa.PrivateKey
	certPEM                 []byte // of the key named other, as an older platform certificate
	certSerial              string
}

var theKeys = sync.OnceValue(func() keyring {
	var k keyring
	for _, key := range []**rsa.PrivateKey{&k.merchant, &k.wechat, &k.other} {
		made, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		*key = made
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(0x7132D72A03E93CDD), Subject: pkix.Name{CommonName: "Tenpay.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.other.PublicKey, k.other)
	if err != nil {
		panic(err)
	}
	k.certPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	k.certSerial = fmt.Sprintf("%X", template.SerialNumber)
	return k
})

func privatePEM(t testing.TB, key *rsa.PrivateKey) []byte {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func publicPEM(t testing.TB, key *rsa.PublicKey) []byte {
	der, err := x509.MarshalPKIXPublicKey(key)
	require.NoError(t, err)
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func config(t testing.TB, baseURL string) live.Config {
	k := theKeys()
	return live.Config{AppID: appID, AppSecret: appSecret, MchID: mchID, SerialNo: serialNo,
		PrivateKeyPEM: privatePEM(t, k.merchant), PublicKeyID: keyID, PublicKeyPEM: publicPEM(t, &k.wechat.PublicKey),
		APIV3Key: apiV3Key, MiniBaseURL: baseURL, PayBaseURL: baseURL, Timeout: 5 * time.Second}
}

func newClient(t testing.TB, cfg live.Config) *live.Client {
	c, err := live.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// seen is a request as it came over the wire.
type seen struct {
	method, uri, path string
	query             map[string][]string
	header            http.Header
	body              []byte
}

// fake is a WeChat of which the test says what it answers, and which remembers what it was asked.
type fake struct {
	*httptest.Server
	mu   sync.Mutex
	seen []seen
}

// serve starts a fake. The handler gets the request whole; n counts requests to its path from 1.
func serve(t testing.TB, answer func(w http.ResponseWriter, r seen, n int)) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got := seen{r.Method, r.URL.RequestURI(), r.URL.Path, r.URL.Query(), r.Header.Clone(), body}
		f.mu.Lock()
		f.seen = append(f.seen, got)
		f.mu.Unlock()
		answer(w, got, f.count(got.path))
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fake) count(path string) int { return len(f.requests(path)) }

func (f *fake) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.seen)
}

func (f *fake) requests(path string) []seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	var some []seen
	for _, s := range f.seen {
		if s.path == path {
			some = append(some, s)
		}
	}
	return some
}

func sign(key *rsa.PrivateKey, text string) string {
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}

// signature is what the headers of an answer or a notification say. Its zero value is a good one.
type signature struct {
	key    *rsa.PrivateKey // nil is WeChat's
	serial string          // "" is keyID
	age    time.Duration
}

func (s signature) set(h http.Header, body string) {
	if s.key == nil {
		s.key = theKeys().wechat
	}
	if s.serial == "" {
		s.serial = keyID
	}
	ts := strconv.FormatInt(clock.Wall().Add(-s.age).Unix(), 10)
	h.Set("Wechatpay-Timestamp", ts)
	h.Set("Wechatpay-Nonce", "n0nce")
	h.Set("Wechatpay-Serial", s.serial)
	h.Set("Wechatpay-Signature", sign(s.key, ts+"\nn0nce\n"+body+"\n"))
	h.Set("Wechatpay-Signature-Type", "WECHATPAY2-SHA256-RSA2048")
}

// reply answers like WeChat Pay does: signed if it is a success.
func reply(w http.ResponseWriter, status int, body string) {
	if status < 300 {
		signature{}.set(w.Header(), body)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Request-ID", "req-1")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

var authorization = regexp.MustCompile(`^WECHATPAY2-SHA256-RSA2048 mchid="(.+)",nonce_str="(.+)",timestamp="(\d+)",serial_no="(.+)",signature="(.+)"$`)

// requireSigned checks the merchant's signature over what really came.
func requireSigned(t *testing.T, r seen) {
	t.Helper()
	part := authorization.FindStringSubmatch(r.header.Get("Authorization"))
	require.NotNil(t, part, r.header.Get("Authorization"))
	require.Equal(t, mchID, part[1])
	require.Equal(t, serialNo, part[4])
	signature, err := base64.StdEncoding.DecodeString(part[5])
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(r.method + "\n" + r.uri + "\n" + part[3] + "\n" + part[2] + "\n" + string(r.body) + "\n"))
	require.NoError(t, rsa.VerifyPKCS1v15(&theKeys().merchant.PublicKey, crypto.SHA256, sum[:], signature))
	require.Equal(t, keyID, r.header.Get("Wechatpay-Serial"))
	require.NotEmpty(t, r.header.Get("User-Agent"))
	require.NotEmpty(t, r.header.Get("Accept"))
}

// notification builds the body of a notification around a plain text.
func notification(eventType, originalType, plain string) string {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	const nonce, data = "123456789012", "additional"
	body, err := json.Marshal(map[string]any{
		"id": "EV-1", "create_time": "2026-11-23T10:34:56+08:00", "event_type": eventType, "resource_type": "encrypt-resource",
		"summary": "通知", "resource": map[string]string{"original_type": originalType, "algorithm": "AEAD_AES_256_GCM",
			"ciphertext":      base64.StdEncoding.EncodeToString(aead.Seal(nil, []byte(nonce), []byte(plain), []byte(data))),
			"associated_data": data, "nonce": nonce},
	})
	if err != nil {
		panic(err)
	}
	return string(body)
}
