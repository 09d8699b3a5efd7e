package sim

import (
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
)

const (
	keyBits       = 2048
	certYears     = 5
	keyFolder     = "simulator" // what a client must never need: the private keys of "WeChat"
	filePrivate   = 0o600
	filePublic    = 0o644
	merchantKey   = "apiclient_key.pem"
	merchantCert  = "apiclient_cert.pem"
	wechatPubKey  = "wechatpay_pub_key.pem"
	wechatPrivKey = "wechatpay_key.pem"
	platformKey   = "platform_key.pem"
	platformCert  = "platform_cert.pem"
)

// Keys are the three key pairs of a simulated merchant: its own, the WeChat Pay public key's, and that of the
// platform certificate. Making them takes up to a second, so tests share one set through Options.Keys.
type Keys struct {
	Merchant     *rsa.PrivateKey
	MerchantCert *x509.Certificate
	WeChatPay    *rsa.PrivateKey // its public half is what merchants know as PUB_KEY_ID_…
	Platform     *rsa.PrivateKey
	PlatformCert *x509.Certificate
}

// GenerateKeys makes a fresh set, all pairs at once. (The nil readers: since Go 1.26 the machine's own is always used.)
func GenerateKeys() (*Keys, error) {
	k := &Keys{}
	var wg sync.WaitGroup
	errs := make([]error, 3)
	for i, dst := range []**rsa.PrivateKey{&k.Merchant, &k.WeChatPay, &k.Platform} {
		wg.Go(func() { *dst, errs[i] = rsa.GenerateKey(nil, keyBits) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("generate keys: %w", err)
	}
	var err error
	if k.MerchantCert, err = selfSigned(k.Merchant, "SIM merchant"); err != nil {
		return nil, err
	}
	if k.PlatformCert, err = selfSigned(k.Platform, "SIM platform"); err != nil {
		return nil, err
	}
	return k, nil
}

// selfSigned certifies key with itself: the simulator is nobody's authority.
func selfSigned(key *rsa.PrivateKey, name string) (*x509.Certificate, error) {
	serial := crypt.Random(20)
	serial[0] = serial[0]&0x3f | 0x40 // positive and always 40 hex digits
	now := clock.Wall()
	tpl := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"SIMULATED, not WeChat"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(certYears, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
	}
	der, err := x509.CreateCertificate(nil, tpl, tpl, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate back: %w", err)
	}
	return cert, nil
}

// serialOf is the certificate's serial as WeChat writes it: upper-case hex.
func serialOf(c *x509.Certificate) string { return strings.ToUpper(fmt.Sprintf("%x", c.SerialNumber)) }

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func privatePEM(k *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("encode private key: %w", err)
	}
	return pemOf("PRIVATE KEY", der), nil
}

func publicPEM(k *rsa.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k)
	if err != nil {
		return nil, fmt.Errorf("encode public key: %w", err)
	}
	return pemOf("PUBLIC KEY", der), nil
}

// saveKeys writes what a client needs into dir and the rest into a folder below it.
func saveKeys(dir string, k *Keys) error {
	inner := filepath.Join(dir, keyFolder)
	if err := os.MkdirAll(inner, 0o700); err != nil {
		return fmt.Errorf("make key folder: %w", err)
	}
	pub, err := publicPEM(&k.WeChatPay.PublicKey)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		filepath.Join(dir, merchantCert):   pemOf("CERTIFICATE", k.MerchantCert.Raw),
		filepath.Join(dir, wechatPubKey):   pub,
		filepath.Join(inner, platformCert): pemOf("CERTIFICATE", k.PlatformCert.Raw),
	}
	for path, key := range map[string]*rsa.PrivateKey{
		filepath.Join(dir, merchantKey):     k.Merchant,
		filepath.Join(inner, wechatPrivKey): k.WeChatPay,
		filepath.Join(inner, platformKey):   k.Platform,
	} {
		if files[path], err = privatePEM(key); err != nil {
			return err
		}
	}
	for path, data := range files {
		mode := os.FileMode(filePrivate)
		if strings.HasSuffix(path, "cert.pem") || strings.HasSuffix(path, wechatPubKey) {
			mode = filePublic
		}
		if err := writeAtomic(path, data, mode); err != nil {
			return err
		}
	}
	return nil
}

// loadKeys reads what saveKeys wrote; os.ErrNotExist when there is nothing yet.
func loadKeys(dir string) (*Keys, error) {
	inner := filepath.Join(dir, keyFolder)
	k := &Keys{}
	for path, dst := range map[string]**rsa.PrivateKey{
		filepath.Join(dir, merchantKey):     &k.Merchant,
		filepath.Join(inner, wechatPrivKey): &k.WeChatPay,
		filepath.Join(inner, platformKey):   &k.Platform,
	} {
		der, err := readPEM(path)
		if err != nil {
			return nil, err
		}
		key, err := x509.ParsePKCS8PrivateKey(der)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		rsaKey, ok := key.(*rsa.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("read %s: not an RSA key", path)
		}
		*dst = rsaKey
	}
	for path, dst := range map[string]**x509.Certificate{
		filepath.Join(dir, merchantCert):   &k.MerchantCert,
		filepath.Join(inner, platformCert): &k.PlatformCert,
	} {
		der, err := readPEM(path)
		if err != nil {
			return nil, err
		}
		if *dst, err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return k, nil
}

func readPEM(path string) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("read %s: no PEM block", path)
	}
	return block.Bytes, nil
}

// writeAtomic makes the file appear whole or not at all.
func writeAtomic(path string, data []byte, mode os.FileMode) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return nil
}
