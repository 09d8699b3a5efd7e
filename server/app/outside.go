package app

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"fenxiao/config"
	miniprogramapi "fenxiao/miniprogram-api"
	"fenxiao/server/flow"
	"fenxiao/server/wechat/live"
)

const (
	// codePage is the mini-program's page that scene codes open.
	codePage = "pages/index/index"

	reportJob  = "岗位类型" // the two lines that WeChat wants with scene 1005
	reportNote = "报酬说明"
)

// realWeChat reads the keys that the configuration names. Replicas share WeChat's access token through the cache.
func realWeChat(w config.WeChat, tokens live.TokenCache) (*live.Client, error) {
	private, err := os.ReadFile(w.PrivateKeyFile)
	if err != nil {
		return nil, fmt.Errorf("wechat.private_key_file: %w", err)
	}
	public, err := os.ReadFile(w.PublicKeyFile)
	if err != nil {
		return nil, fmt.Errorf("wechat.public_key_file: %w", err)
	}
	return live.New(live.Config{
		AppID: w.AppID, AppSecret: w.AppSecret.Reveal(), MchID: w.MchID, SerialNo: w.SerialNo,
		PrivateKeyPEM: private, PublicKeyID: w.PublicKeyID, PublicKeyPEM: public, APIV3Key: w.APIV3Key.Reveal(),
		MiniBaseURL: w.APIBase, PayBaseURL: w.PayBase, Cache: tokens,
	})
}

func shopOf(cfg config.Config) flow.Shop {
	notify := cfg.WeChat.NotifyBase
	if notify == "" {
		notify = cfg.HTTP.PublicURL
	}
	shop := flow.Shop{
		CodePage: codePage, CodeEnv: cfg.WeChat.EnvVersion, CheckPage: cfg.WeChat.EnvVersion == "release",
		TransferScene: cfg.WeChat.TransferSceneID,
	}
	reachedAt(&shop, notify)
	shop.LinkBase = cfg.HTTP.PublicURL
	for _, info := range cfg.WeChat.TransferReportInfos {
		switch info.Type {
		case reportJob:
			shop.TransferJob = info.Content
		case reportNote:
			shop.TransferNote = info.Content
		}
	}
	return shop
}

// reachedAt says under which address the outside reaches the shop.
func reachedAt(s *flow.Shop, base string) {
	s.NotifyURL, s.LinkBase = base+miniprogramapi.NotifyPath, base
}

// newRetries counts transactions that ran again, by name.
func newRetries(reg prometheus.Registerer) func(tx string, err error) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fenxiao_tx_retries_total", Help: "Transactions that were run again after a conflict."}, []string{"tx"})
	reg.MustRegister(c)
	return func(tx string, _ error) { c.WithLabelValues(tx).Inc() }
}

// newAlarm logs what a person should look at, and counts it for the alert rules. The detail never has personal data.
func newAlarm(log *slog.Logger, reg prometheus.Registerer) func(code, detail string) {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "fenxiao_alarms_total", Help: "Things that a person should look at, by code."}, []string{"code"})
	reg.MustRegister(c)
	return func(code, detail string) {
		c.WithLabelValues(code).Inc()
		log.Error("alarm", "code", code, "detail", detail)
	}
}
