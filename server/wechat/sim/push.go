package sim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1" //nolint:gosec // message push prescribes SHA-1
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const (
	pushBlock = 32 // PKCS#7 block of message push
	pushEvent = "push"
)

// SetPushURL says where message push goes (the mini-program console's setting); "" switches it off.
func (s *Server) SetPushURL(address string) {
	s.lock()
	defer s.unlock()
	s.o.PushURL = address
}

// pushSettlement tells the shop that an order was shipped (settled = false) or will be settled.
func (s *Server) pushSettlement(o *Order, settled bool) {
	s.push(o, settled, 0)
}

func (s *Server) pushReceived(o *Order, how int) { s.push(o, true, how) }

// push writes a trade_manage_order_settlement message: WeChat sends it on shipping and on settlement.
func (s *Server) push(o *Order, settled bool, how int) {
	if s.o.PushURL == "" {
		return
	}
	now := s.now()
	m := map[string]any{
		"ToUserName": "gh_simulated", "FromUserName": o.OpenID, "CreateTime": now.Unix(), "MsgType": "event",
		"Event": "trade_manage_order_settlement", "transaction_id": o.TransactionID, "merchant_id": s.id.MchID,
		"merchant_trade_no": o.OutTradeNo, "pay_time": o.SuccessMS / 1000, "shipped_time": o.Ship.ShippedMS / 1000,
		"estimated_settlement_time": o.Ship.DueMS / 1000,
	}
	if settled {
		m["confirm_receive_method"], m["confirm_receive_time"], m["settlement_time"] = how, now.Unix(), now.Unix()
	}
	plain, _ := json.Marshal(m) // strings and numbers always encode
	s.emit(Notify{Event: pushEvent, Summary: "trade_manage_order_settlement", Kind: pushEvent, Number: o.OutTradeNo, Group: o.OutTradeNo, URL: s.o.PushURL, Plain: plain})
}

// composePush encrypts and signs a message as safe mode does.
func (s *Server) composePush(n *Notify) (*message, error) {
	s.lock()
	random, nonce, id := s.noise.text(16), s.noise.digits(10), s.id
	s.unlock()
	key, err := base64.StdEncoding.DecodeString(id.PushAESKey + "=")
	if err != nil {
		return nil, fmt.Errorf("read push key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use push key: %w", err)
	}
	var plain bytes.Buffer
	plain.WriteString(random)
	_ = binary.Write(&plain, binary.BigEndian, uint32(len(n.Plain))) //nolint:gosec // bounded by the books
	plain.Write(n.Plain)
	plain.WriteString(id.AppID)
	pad := pushBlock - plain.Len()%pushBlock
	plain.Write(bytes.Repeat([]byte{byte(pad)}, pad))
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain.Bytes(), plain.Bytes())
	sealed := base64.StdEncoding.EncodeToString(plain.Bytes())
	ts := strconv.FormatInt(s.skewed().Unix(), 10)
	q := url.Values{
		"timestamp": {ts}, "nonce": {nonce}, "encrypt_type": {"aes"},
		"signature": {pushSign(id.PushToken, ts, nonce)}, "msg_signature": {pushSign(id.PushToken, ts, nonce, sealed)},
	}
	body, err := json.Marshal(map[string]string{"ToUserName": "gh_simulated", "Encrypt": sealed})
	if err != nil {
		return nil, fmt.Errorf("encode push: %w", err)
	}
	return &message{url: n.URL + "?" + q.Encode(), header: map[string][]string{"Content-Type": {"application/json"}}, body: body}, nil
}

func pushSign(parts ...string) string {
	slices.Sort(parts)
	return fmt.Sprintf("%x", sha1.Sum([]byte(strings.Join(parts, "")))) //nolint:gosec // prescribed
}
