package sim

import (
	"crypto/rsa"
	"fmt"
	"net/http"
	"time"
)

// SetCertificates switches the platform certificate of the merchant on or off. Merchants of today have only the
// public key; older ones have both.
func (s *Server) SetCertificates(on bool) {
	s.lock()
	defer s.unlock()
	s.certs = on
}

// certificates is GET /v3/certificates.
func (s *Server) certificates(*call) (any, error) {
	s.lock()
	defer s.unlock()
	if !s.certs {
		return nil, refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", "无可用的平台证书，请使用微信支付公钥")
	}
	cert := s.keys.PlatformCert
	nonce := s.noise.text(12)
	sealed, err := seal(s.id.APIV3Key, nonce, "certificate", pemOf("CERTIFICATE", cert.Raw))
	if err != nil {
		return nil, err
	}
	return map[string]any{"data": []any{map[string]any{
		"serial_no": serialOf(cert), "effective_time": cert.NotBefore.In(shopZone).Format(time.RFC3339),
		"expire_time":         cert.NotAfter.In(shopZone).Format(time.RFC3339),
		"encrypt_certificate": map[string]string{"algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": "certificate", "ciphertext": sealed},
	}}}, nil
}

// rotateCert gives the platform a new certificate; replies to clients that still name the old one are signed with it.
func (s *Server) rotateCert() error {
	key, err := rsa.GenerateKey(nil, keyBits)
	if err != nil {
		return fmt.Errorf("generate platform key: %w", err)
	}
	cert, err := selfSigned(key, "SIM platform")
	if err != nil {
		return err
	}
	s.lock()
	defer s.unlock()
	next := *s.keys // others may share the set that was given
	s.oldPlatform = append(s.oldPlatform, platformPair{s.keys.Platform, serialOf(s.keys.PlatformCert)})
	next.Platform, next.PlatformCert = key, cert
	s.keys = &next
	return nil
}
