package access_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"github.com/stretchr/testify/require"

	"fenxiao/server/access"
	"fenxiao/server/base"
	"fenxiao/server/base/clock"
	"fenxiao/server/base/crypt"
	"fenxiao/server/base/errs"
	"fenxiao/server/store"
	"fenxiao/server/store/auditlog"
	"fenxiao/server/store/storetest"
)

// bundle is a shop with one admin who has changed the one-time password.
type bundle struct {
	*testing.T
	db     *store.DB
	clock  *clock.Manual
	admins *access.Admins
}

func setup(t *testing.T, db *store.DB, c *clock.Manual) *bundle {
	t.Helper()
	keys := crypt.NewKeys()
	box, err := crypt.NewBox(keys)
	require.NoError(t, err)
	return &bundle{T: t, db: db, clock: c, admins: access.NewAdmins(db, box, keys.Token)}
}

func (b *bundle) create(account string, role access.Role) access.Credentials {
	b.Helper()
	c, err := b.admins.Create(b.Context(), access.NewAdmin{By: base.System, Account: account, Name: "王小明", Role: role})
	require.NoError(b, err)
	return c
}

// code is the current one-time code; the clock moves a step first, so that it was never used.
func (b *bundle) code(secret string) string {
	b.Helper()
	b.clock.Advance(31 * time.Second)
	code, err := totp.GenerateCode(secret, b.clock.Now())
	require.NoError(b, err)
	return code
}

func (b *bundle) login(c access.Credentials) access.Session {
	b.Helper()
	s, err := b.admins.Login(b.Context(), access.Login{Account: c.Admin.Account, Password: c.Password, Code: b.code(c.TOTP.Secret)})
	require.NoError(b, err)
	return s
}

func (b *bundle) identity(s access.Session) access.Identity {
	b.Helper()
	i, err := b.admins.Authenticate(b.Context(), s.Token)
	require.NoError(b, err)
	return i
}

func TestAdmins_FirstLogin(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create(" Boss ", access.Owner)
		require.Equal(t, "boss", cred.Admin.Account)
		require.Contains(t, cred.TOTP.URI, "otpauth://totp/Fenxiao:boss")
		require.Len(t, cred.RecoveryCodes, 10)

		s := b.login(cred)
		i := b.identity(s)
		require.True(t, i.MustChange)
		require.True(t, i.May(access.AdminSelf))
		require.False(t, i.May(access.PermOrderRead))
		require.True(t, b.admins.CheckCSRF(s.Token, s.CSRF))
		require.False(t, b.admins.CheckCSRF(s.Token, s.CSRF[:63]+"x"))
		require.False(t, b.admins.CheckCSRF("other", s.CSRF))

		other := b.login(cred)
		require.ErrorIs(t, b.admins.ChangePassword(t.Context(), i, "wrong", "correct horse"), access.ErrWrongPassword)
		require.ErrorIs(t, b.admins.ChangePassword(t.Context(), i, cred.Password, cred.Password), access.ErrSamePassword)
		require.ErrorIs(t, b.admins.ChangePassword(t.Context(), i, cred.Password, "boss boss boss"), access.ErrWeakPassword)
		require.NoError(t, b.admins.ChangePassword(t.Context(), i, cred.Password, "correct horse"))
		i = b.identity(s)
		require.True(t, i.May(access.PermOrderRead))
		_, err := b.admins.Authenticate(t.Context(), other.Token)
		require.ErrorIs(t, err, access.ErrNoSession, "other sessions end")

		_, err = b.admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: b.code(cred.TOTP.Secret)})
		require.ErrorIs(t, err, access.ErrBadCredentials, "the one-time password works no more")

		rows, err := auditlog.Of(t.Context(), db.Q(), cred.Admin.ID.String())
		require.NoError(t, err)
		require.Equal(t, "admin.create", rows[0].Action)
		require.NotContains(t, rows[0].After, cred.Password)
	})
}

func TestAdmins_LoginRefusals(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		good := access.Login{Account: "boss", Password: cred.Password, Code: b.code(cred.TOTP.Secret)}
		for name, l := range map[string]access.Login{
			"password":     {Account: "boss", Password: cred.Password + "x", Code: good.Code},
			"no code":      {Account: "boss", Password: cred.Password},
			"wrong code":   {Account: "boss", Password: cred.Password, Code: "000000"},
			"nobody":       {Account: "nobody", Password: cred.Password, Code: good.Code},
			"empty":        {},
			"long account": {Account: strings.Repeat("a", 65), Password: "x"},
			"long password": {
				Account: "boss", Password: strings.Repeat("a", 200), Code: good.Code,
			},
		} {
			_, err := b.admins.Login(t.Context(), l)
			require.ErrorIs(t, err, access.ErrBadCredentials, name)
		}
		_, err := b.admins.Login(t.Context(), good)
		require.NoError(t, err)
		_, err = b.admins.Login(t.Context(), good)
		require.ErrorIs(t, err, access.ErrBadCredentials, "a code works once")

		admin, err := b.admins.Get(t.Context(), cred.Admin.ID)
		require.NoError(t, err)
		b.create("second", access.Owner)
		_, err = b.admins.Change(t.Context(), access.Change{By: base.System, ID: admin.ID, Version: admin.Version, Name: "x", Role: access.Owner, State: access.Disabled})
		require.NoError(t, err)
		good.Code = b.code(cred.TOTP.Secret)
		_, err = b.admins.Login(t.Context(), good)
		require.ErrorIs(t, err, access.ErrBadCredentials, "disabled")
	})
}

func TestAdmins_RecoveryCodesWorkOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		l := access.Login{Account: "boss", Password: cred.Password, Code: strings.ToUpper(cred.RecoveryCodes[3])}
		_, err := b.admins.Login(t.Context(), l)
		require.NoError(t, err)
		_, err = b.admins.Login(t.Context(), l)
		require.ErrorIs(t, err, access.ErrBadCredentials)
	})
}

func TestAdmins_LockAfterFailures(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		for _, account := range []string{"boss", "nobody"} {
			var wg sync.WaitGroup
			var mu sync.Mutex
			count := map[string]int{}
			for range 12 {
				wg.Go(func() {
					_, err := b.admins.Login(t.Context(), access.Login{Account: account, Password: "guess"})
					mu.Lock()
					defer mu.Unlock()
					count[errs.CodeOf(err)]++
				})
			}
			wg.Wait()
			require.Equal(t, map[string]int{"auth.bad_credentials": 5, "auth.locked": 7}, count, account)
		}
		_, err := b.admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: b.code(cred.TOTP.Secret)})
		require.ErrorIs(t, err, access.ErrLocked)
		c.Advance(15 * time.Minute)
		b.login(cred)
		b.login(cred)
	})
}

func TestAdmins_SessionsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		s := b.login(cred)
		for range 23 { // in use, it lives up to 12 hours
			c.Advance(29 * time.Minute)
			b.identity(s)
		}
		c.Advance(29*time.Minute + 59*time.Second)
		b.identity(s)
		c.Advance(29 * time.Minute)
		_, err := b.admins.Authenticate(t.Context(), s.Token)
		require.ErrorIs(t, err, access.ErrNoSession, "12 hours are over")

		s = b.login(cred)
		c.Advance(30 * time.Minute)
		_, err = b.admins.Authenticate(t.Context(), s.Token)
		require.ErrorIs(t, err, access.ErrNoSession, "30 minutes idle")

		s = b.login(cred)
		require.NoError(t, b.admins.Logout(t.Context(), b.identity(s).Session))
		_, err = b.admins.Authenticate(t.Context(), s.Token)
		require.ErrorIs(t, err, access.ErrNoSession, "logged out")
		_, err = b.admins.Authenticate(t.Context(), "")
		require.ErrorIs(t, err, access.ErrNoSession)

		s = b.login(cred)
		var tokens []string
		require.NoError(t, db.Q().Select(t.Context(), &tokens, `SELECT token_sha FROM admin_session`))
		require.NotContains(t, strings.Join(tokens, " "), s.Token)
		c.Advance(25 * time.Hour)
		n, err := b.admins.Purge(t.Context())
		require.NoError(t, err)
		require.Equal(t, 5, n, "4 sessions and a guard")
	})
}

func TestAdmins_ResetEndsEverythingOld(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		s := b.login(cred)
		fresh, err := b.admins.Reset(t.Context(), base.System, "Boss")
		require.NoError(t, err)
		_, err = b.admins.Authenticate(t.Context(), s.Token)
		require.ErrorIs(t, err, access.ErrNoSession)
		_, err = b.admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: b.code(fresh.TOTP.Secret)})
		require.ErrorIs(t, err, access.ErrBadCredentials)
		_, err = b.admins.Login(t.Context(), access.Login{Account: "boss", Password: fresh.Password, Code: cred.RecoveryCodes[0]})
		require.ErrorIs(t, err, access.ErrBadCredentials)
		require.True(t, b.identity(b.login(fresh)).MustChange)
		_, err = b.admins.Reset(t.Context(), base.System, "nobody")
		require.ErrorIs(t, err, access.ErrNoAdmin)
	})
}

func TestAdmins_ChangeTOTP(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		cred := b.create("boss", access.Owner)
		i := b.identity(b.login(cred))
		_, err := b.admins.ConfirmTOTP(t.Context(), i, "123456")
		require.ErrorIs(t, err, access.ErrNoEnrolment)
		_, err = b.admins.BeginTOTP(t.Context(), i, "wrong")
		require.ErrorIs(t, err, access.ErrWrongPassword)
		next, err := b.admins.BeginTOTP(t.Context(), i, cred.Password)
		require.NoError(t, err)
		b.login(cred) // the old one works until the new one is proven
		_, err = b.admins.ConfirmTOTP(t.Context(), i, b.code(cred.TOTP.Secret))
		require.ErrorIs(t, err, access.ErrWrongCode)
		codes, err := b.admins.ConfirmTOTP(t.Context(), i, b.code(next.Secret))
		require.NoError(t, err)
		require.Len(t, codes, 10)
		_, err = b.admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: b.code(cred.TOTP.Secret)})
		require.ErrorIs(t, err, access.ErrBadCredentials)
		cred.TOTP = next
		b.login(cred)
		_, err = b.admins.Login(t.Context(), access.Login{Account: "boss", Password: cred.Password, Code: codes[9]})
		require.NoError(t, err)
	})
}

func TestAdmins_Manage(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		boss := b.create("boss", access.Owner).Admin
		for name, tt := range map[string]struct {
			in   access.NewAdmin
			want *errs.Error
		}{
			"taken":    {access.NewAdmin{Account: "BOSS", Name: "x", Role: access.Finance}, access.ErrAccountTaken},
			"account":  {access.NewAdmin{Account: "a b", Name: "x", Role: access.Finance}, access.ErrBadAccount},
			"name":     {access.NewAdmin{Account: "abc", Name: " ", Role: access.Finance}, access.ErrBadName},
			"role":     {access.NewAdmin{Account: "abc", Name: "x", Role: "king"}, access.ErrBadRole},
			"no TOTP":  {access.NewAdmin{Account: "abc", Name: "x", Role: access.Finance, WithoutTOTP: true}, access.ErrNeedsTOTP},
			"too long": {access.NewAdmin{Account: "abc", Name: strings.Repeat("长", 41), Role: access.Finance}, access.ErrBadName},
		} {
			_, err := b.admins.Create(t.Context(), tt.in)
			require.ErrorIs(t, err, tt.want, name)
		}
		packer, err := b.admins.Create(t.Context(), access.NewAdmin{By: base.System, Account: "packer", Name: "仓库", Role: access.Warehouse, WithoutTOTP: true})
		require.NoError(t, err)
		require.Empty(t, packer.TOTP.Secret)
		s, err := b.admins.Login(t.Context(), access.Login{Account: "packer", Password: packer.Password})
		require.NoError(t, err)

		ch := access.Change{By: base.Admin(boss.ID), ID: packer.Admin.ID, Version: packer.Admin.Version, Name: "客服", Role: access.CustomerService, State: access.Active}
		money := ch
		money.Role = access.Finance
		_, err = b.admins.Change(t.Context(), money)
		require.ErrorIs(t, err, access.ErrNeedsTOTP)
		got, err := b.admins.Change(t.Context(), ch)
		require.NoError(t, err)
		require.Equal(t, access.CustomerService, got.Role)
		_, err = b.admins.Authenticate(t.Context(), s.Token)
		require.ErrorIs(t, err, access.ErrNoSession, "a new role ends the sessions")
		_, err = b.admins.Change(t.Context(), ch)
		require.ErrorIs(t, err, access.ErrAdminChanged)
		_, err = b.admins.Change(t.Context(), access.Change{ID: boss.ID, Version: boss.Version, Name: "x", Role: access.Auditor, State: access.Active})
		require.ErrorIs(t, err, access.ErrLastOwner)
		list, err := b.admins.List(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 2)
	})
}

func TestAdmins_TwoOwnersDemoteEachOther(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB, c *clock.Manual) {
		b := setup(t, db, c)
		one, two := b.create("one", access.Owner).Admin, b.create("two", access.Owner).Admin
		results := make([]error, 2)
		var wg sync.WaitGroup
		for n, a := range []access.Admin{one, two} {
			wg.Go(func() {
				_, results[n] = b.admins.Change(t.Context(), access.Change{By: base.System, ID: a.ID, Version: a.Version, Name: "x", Role: access.Auditor, State: access.Active})
			})
		}
		wg.Wait()
		require.True(t, (results[0] == nil) != (results[1] == nil), "%v %v", results[0], results[1])
	})
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for _, p := range access.Permissions() {
		require.True(t, access.Owner.May(p), p)
		require.Equal(t, strings.HasSuffix(p, ".read"), access.Auditor.May(p), p)
		require.True(t, access.Known(p))
	}
	for _, r := range access.Roles() {
		require.True(t, r.May(access.AdminSelf))
		require.False(t, r.May("no.such"), r)
		require.False(t, r.May(access.Customer), r)
		require.NotEmpty(t, r.Granted())
	}
	require.False(t, access.Role("").May(access.AdminAny))
	require.Empty(t, access.Role("king").Granted())
	for _, p := range []string{access.PermWithdrawalApprove, access.PermSettingMoney, access.PermAdminWrite} {
		require.False(t, access.Operations.May(p), p)
		require.False(t, access.Warehouse.May(p), p)
		require.False(t, access.CustomerService.May(p), p)
	}
	require.False(t, access.Finance.May(access.PermSettingRisk))
	require.False(t, access.Known("no.such"))
}
