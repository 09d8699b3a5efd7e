package sim

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // WeChat Pay prescribes OAEP with SHA-1 for sensitive fields
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"
)

const (
	authScheme   = "WECHATPAY2-SHA256-RSA2048"
	signWindow   = 5 * time.Minute
	nonceMax     = 32
	nonceListMax = 100_000
)

var authParam = regexp.MustCompile(`(mchid|nonce_str|timestamp|serial_no|signature)="([^"]*)"`)

// errSign is what the caller of a refused request is told; the detail is for people only.
type errSign struct{ detail string }

func (e errSign) Error() string { return e.detail }

// verifyRequest checks the Authorization header of a merchant against the raw body. raw must be what came over the
// wire: clients sign the newline that some of them put at the end.
func (s *Server) verifyRequest(r *http.Request, raw []byte) error {
	header := r.Header.Get("Authorization")
	if len(header) < len(authScheme) || header[:len(authScheme)] != authScheme {
		return errSign{"Authorization 认证类型不正确"}
	}
	p := map[string]string{}
	for _, m := range authParam.FindAllStringSubmatch(header, -1) {
		p[m[1]] = m[2]
	}
	switch {
	case p["mchid"] != s.id.MchID:
		return errSign{"商户号与证书不匹配"}
	case p["serial_no"] != s.id.SerialNo:
		return errSign{"商户证书序列号有误"}
	case p["nonce_str"] == "" || len(p["nonce_str"]) > nonceMax:
		return errSign{"nonce_str 有误"}
	}
	sec, err := strconv.ParseInt(p["timestamp"], 10, 64)
	if err != nil {
		return errSign{"timestamp 有误"}
	}
	if off := s.skewed().Sub(time.Unix(sec, 0)); off > signWindow || off < -signWindow {
		return errSign{"时间戳过期或与微信支付服务器相差过大"}
	}
	sig, err := base64.StdEncoding.DecodeString(p["signature"])
	if err != nil {
		return errSign{"签名格式有误"}
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s\n%s\n%s\n%s\n%s\n", r.Method, r.URL.RequestURI(), p["timestamp"], p["nonce_str"], raw)
	sum := sha256.Sum256(text.Bytes())
	if err := rsa.VerifyPKCS1v15(&s.keySet().Merchant.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		return errSign{"签名错误，请检查后再试"}
	}
	s.noteNonce(p["nonce_str"])
	return nil
}

// noteNonce flags a nonce that comes twice: WeChat cannot tell such a request from a replay.
func (s *Server) noteNonce(nonce string) {
	s.lock()
	defer s.unlock()
	nowMS := s.wall().UnixMilli()
	if nowMS-s.nonceSweepMS > time.Minute.Milliseconds() || len(s.nonces) > nonceListMax {
		for n, at := range s.nonces {
			if nowMS-at > 2*signWindow.Milliseconds() {
				delete(s.nonces, n)
			}
		}
		s.nonceSweepMS = nowMS
	}
	if _, seen := s.nonces[nonce]; seen {
		s.violate("nonce_reused", "the same nonce_str came twice within ten minutes")
	}
	s.nonces[nonce] = nowMS
}

// keySet is the keys in force: a fault may rotate the platform's.
func (s *Server) keySet() *Keys {
	s.lock()
	defer s.unlock()
	return s.keys
}

// skewed is wall time as the simulated service sees it (a fault may put its clock off).
func (s *Server) skewed() time.Time {
	s.lock()
	defer s.unlock()
	return s.wall().Add(s.clockSkew())
}

type platformPair struct {
	key    *rsa.PrivateKey
	serial string
}

// signer picks the key that a reply is signed with: the one the client named, else the public key, else (for a
// merchant with certificates) the certificate's.
func (s *Server) signer(asked string) platformPair {
	s.lock()
	defer s.unlock()
	return s.signerLocked(asked)
}

func (s *Server) signerLocked(asked string) platformPair {
	pub := platformPair{s.keys.WeChatPay, s.id.PublicKeyID}
	cert := platformPair{s.keys.Platform, serialOf(s.keys.PlatformCert)}
	if !s.certs {
		return pub
	}
	for _, p := range s.oldPlatform {
		if asked == p.serial {
			return p
		}
	}
	if asked == pub.serial {
		return pub
	}
	return cert
}

// signed are the headers that prove a body.
type signed struct {
	serial, signature, nonce string
	at                       time.Time
}

func (s *Server) signBody(p platformPair, at time.Time, body []byte) signed {
	s.lock()
	nonce := s.noise.text(32)
	s.unlock()
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%s\n%s\n", at.Unix(), nonce, body))
	sig, err := rsa.SignPKCS1v15(nil, p.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(fmt.Errorf("sim: sign: %w", err)) // a 2048-bit key signs any digest
	}
	return signed{p.serial, base64.StdEncoding.EncodeToString(sig), nonce, at}
}

func (g signed) apply(h http.Header) {
	h.Set("Wechatpay-Timestamp", strconv.FormatInt(g.at.Unix(), 10))
	h.Set("Wechatpay-Nonce", g.nonce)
	h.Set("Wechatpay-Signature", g.signature)
	h.Set("Wechatpay-Serial", g.serial)
	h.Set("Wechatpay-Signature-Type", authScheme)
}

// seal encrypts as notifications and certificates are: AES-256-GCM under the APIv3 key, base64 of cipher and tag.
func seal(key, nonce, aad string, plain []byte) (string, error) {
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		return "", fmt.Errorf("use APIv3 key: %w", err)
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(nonce))
	if err != nil {
		return "", fmt.Errorf("use APIv3 key: %w", err)
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plain, []byte(aad))), nil
}

var errSensitive = errors.New("敏感字段解密失败，请检查加密方式与 Wechatpay-Serial")

// openSensitive decrypts a sensitive field with the key that the request's Wechatpay-Serial names.
func (s *Server) openSensitive(serial, cipherText string) (string, error) {
	pair := s.signer(serial)
	if pair.serial != serial {
		return "", errSensitive
	}
	raw, err := base64.StdEncoding.DecodeString(cipherText)
	if err != nil {
		return "", errSensitive
	}
	plain, err := rsa.DecryptOAEP(sha1.New(), nil, pair.key, raw, nil) //nolint:gosec // prescribed
	if err != nil {
		return "", errSensitive
	}
	return string(plain), nil
}

// hideSensitive encrypts a field for the merchant, as replies that name a person do.
func (s *Server) hideSensitive(text string) string {
	raw, err := rsa.EncryptOAEP(sha1.New(), s.noise, &s.keys.Merchant.PublicKey, []byte(text), nil) //nolint:gosec // prescribed
	if err != nil {
		panic(fmt.Errorf("sim: encrypt name: %w", err)) // names are short
	}
	return base64.StdEncoding.EncodeToString(raw)
}
