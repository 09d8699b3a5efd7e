package distributor_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/domain/distributor"
)

func TestStatus_EveryPair(t *testing.T) {
	t.Parallel()
	allowed := map[[2]distributor.Status]bool{
		{distributor.Active, distributor.Suspended}: true,
		{distributor.Active, distributor.Closed}:    true,
		{distributor.Suspended, distributor.Active}: true,
		{distributor.Suspended, distributor.Closed}: true,
	}
	all := []distributor.Status{distributor.Active, distributor.Suspended, distributor.Closed, "", "gone"}
	for _, from := range all {
		for _, to := range all {
			require.Equal(t, allowed[[2]distributor.Status{from, to}], from.CanBecome(to), "%s to %s", from, to)
		}
	}
}

func TestApplicationState_EveryPair(t *testing.T) {
	t.Parallel()
	all := []distributor.ApplicationState{distributor.Pending, distributor.Approved, distributor.Rejected, ""}
	for _, from := range all {
		for _, to := range all {
			want := from == distributor.Pending && (to == distributor.Approved || to == distributor.Rejected)
			require.Equal(t, want, from.CanBecome(to), "%s to %s", from, to)
		}
	}
}

func TestCheckIDNo(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"11010519491231002X":   "11010519491231002X", // the example of GB 11643-1999
		" 11010519491231002x ": "11010519491231002X",
		"440524188001010014":   "", // born in 1880
		"":                     "",
	} {
		got, err := distributor.CheckIDNo(text, now)
		require.Equal(t, want, got, text)
		require.Equal(t, want == "" && text != "", err != nil, text)
	}
	valid := withCheck("11010520261123001")
	_, err := distributor.CheckIDNo(valid, now)
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"wrong check digit": "110105194912310021",
		"no such day":       withCheck("11010519490230002"),
		"not born yet":      withCheck("11010520261124001"),
		"letters":           "1101051949123100XX",
		"too short":         "11010519491231",
	} {
		_, err := distributor.CheckIDNo(bad, now)
		require.ErrorIs(t, err, distributor.ErrIDNo, name)
	}
}

// withCheck adds the check character by ISO 7064 MOD 11-2, written another way than the code does it.
func withCheck(digits string) string {
	p := 0
	for _, c := range digits {
		p = (p + int(c-'0')) * 2 % 11
	}
	return digits + string("0123456789X"[(12-p)%11])
}

func TestCheckRealName(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" 王小明": "王小明", "买买提·艾力": "买买提·艾力", "John O'Neil": "John O'Neil", "欧阳": "欧阳",
	} {
		got, err := distributor.CheckRealName(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, bad := range []string{"", "王", "王\n明", "王明\x00", "王1明", "=cmd()", "-王明", "\xff\xfe王明"} {
		_, err := distributor.CheckRealName(bad)
		require.ErrorIs(t, err, distributor.ErrRealName, "%q", bad)
	}
}
