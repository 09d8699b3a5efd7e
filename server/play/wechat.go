package play

import (
	"fenxiao/server/wechat/live"
	"fenxiao/server/wechat/sim"
)

// ClientOf is the real WeChat client, pointed at a simulator and with its keys.
func ClientOf(m sim.Merchant) (*live.Client, error) {
	return live.New(live.Config{
		AppID: m.AppID, AppSecret: m.AppSecret, MchID: m.MchID, SerialNo: m.SerialNo, PrivateKeyPEM: m.PrivateKeyPEM,
		PublicKeyID: m.PublicKeyID, PublicKeyPEM: m.PublicKeyPEM, APIV3Key: m.APIV3Key, MiniBaseURL: m.BaseURL, PayBaseURL: m.BaseURL,
	})
}
