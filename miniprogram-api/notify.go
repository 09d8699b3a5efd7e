package miniprogramapi

import (
	"errors"
	"io"
	"net/http"

	"github.com/gin-gonic/gin"

	"fenxiao/server/access"
	"fenxiao/server/httpx"
	"fenxiao/server/wechat"
)

// NotifyPath is where WeChat Pay sends its notifications.
const NotifyPath = "/notify/wechat-pay"

func (a *API) registerNotify(api *httpx.API) {
	httpx.RegisterRaw(api, httpx.Op{
		ID: "notify-wechat-pay", Method: http.MethodPost, Path: NotifyPath, Root: true, Permission: access.Public,
		Tags: []string{"wechat"}, MaxBody: wechat.NotificationBytesMax, Status: http.StatusNoContent, Unlimited: true, Errors: []int{http.StatusUnauthorized},
		Summary:     "Notifications of WeChat Pay: verified, stored whole, acknowledged",
		Description: "Called by WeChat Pay only. What is not signed by a key we know is refused with 5xx, so that it is sent again.",
	}, a.notify)
}

// answerFail is what WeChat expects in the body of a refusal.
func answerFail(c *gin.Context, status int, message string) {
	c.JSON(status, gin.H{"code": "FAIL", "message": message})
}

// notify acknowledges a notification once it is stored.
func (a *API) notify(c *gin.Context) {
	body, err := io.ReadAll(io.LimitReader(c.Request.Body, wechat.NotificationBytesMax+1))
	if err != nil || len(body) > wechat.NotificationBytesMax {
		answerFail(c, http.StatusRequestEntityTooLarge, "the body cannot be read")
		return
	}
	n, err := a.Pay.ParseNotification(c.Request.Context(), c.Request.Header, body)
	switch {
	case errors.Is(err, wechat.ErrSignProbe):
		answerFail(c, http.StatusUnauthorized, "wrong signature")
		return
	case err != nil:
		a.Flow.Alarm("wechat.notification_refused", err.Error())
		answerFail(c, http.StatusInternalServerError, "the notification cannot be verified")
		return
	}
	if err := a.Flow.TakeNotification(c.Request.Context(), n); err != nil {
		a.Flow.Alarm("wechat.notification_not_taken", err.Error())
		answerFail(c, http.StatusInternalServerError, "try again")
		return
	}
	c.Status(http.StatusNoContent)
}
