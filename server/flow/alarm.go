package flow

import (
	"context"
	"encoding/json"
	"fmt"

	"fenxiao/server/store"
	"fenxiao/server/store/outbox"
	"fenxiao/server/wechat"
)

// AlarmKind is the outbox's kind of alarms that a transaction raises: they go out once it has committed.
const AlarmKind = "alarm"

const alarmRefMax = 64 // bytes

// alarm is something that a person should look at. About one subject a code is raised once.
type alarm struct {
	Code    string `json:"code"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
}

// raise writes alarms in the transaction that finds the reason for them.
func raise(ctx context.Context, tx *store.Tx, alarms ...alarm) error {
	for _, a := range alarms {
		body, err := json.Marshal(a)
		if err != nil {
			return fmt.Errorf("raise alarm: %w", err)
		}
		ref := wechat.Fit(a.Code+":"+a.Subject, alarmRefMax)
		if err := outbox.Add(ctx, tx, outbox.Item{ID: tx.NextID(), Kind: AlarmKind, Ref: ref, Body: string(body), DueMs: tx.NowMs()}); err != nil {
			return err
		}
	}
	return nil
}

// SendAlarm is the outbox's sender of alarms.
func (f *Flow) SendAlarm(_ context.Context, it outbox.Item) error {
	var a alarm
	if err := json.Unmarshal([]byte(it.Body), &a); err != nil {
		return outbox.GiveUp(fmt.Errorf("read alarm: %w", err))
	}
	f.Alarm(a.Code, a.Subject+": "+a.Detail)
	return nil
}
