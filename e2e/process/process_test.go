// Package process_test starts the program as operators do: the built binary, with a simulator beside it.
package process_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"fenxiao/server/base/crypt"
	"fenxiao/server/store/storetest"
	"fenxiao/server/store/storetest/testservers"
)

const (
	residentKiBMax = 80 << 10 // the promise; what is measured is in the test's log
	answerMax      = time.Second
	starts         = 3 // the best counts: what is measured is the program, not what else the machine does
	idle           = 5 * time.Second
)

// TestServe_Idle starts the program on a database that exists: it answers within a second, takes less than 80 MB while
// nobody asks anything, and ends by itself when told to.
func TestServe_Idle(t *testing.T) {
	t.Parallel()
	bin := build(t)
	env := simulator(t, bin)
	t.Run("sqlite", func(t *testing.T) {
		file := storetest.SQLiteFile(t)
		measure(t, bin, append(env, "FENXIAO_DB="+file))
	})
	t.Run("mariadb", func(t *testing.T) {
		dsn, ok := testservers.NewDatabase(t)
		if !ok {
			return // said in the log, and a failure where servers are required
		}
		redis, ok := testservers.Redis(t)
		if !ok {
			return
		}
		env := append(env, "FENXIAO_DSN="+dsn, "FENXIAO_REDIS_ADDR="+redis, "FENXIAO_REDIS_PREFIX=process:"+strings.ToLower(crypt.Token(12))+":")
		migrate := exec.CommandContext(t.Context(), bin, "migrate", "up")
		migrate.Env = env
		out, err := migrate.CombinedOutput()
		require.NoError(t, err, "%s", out)
		measure(t, bin, env)
	})
}

// build makes the binary as `make build` does.
func build(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "fenxiao")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", bin, "fenxiao/cmd/fenxiao")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return bin
}

// program is a running one.
type program struct {
	cmd   *exec.Cmd
	addr  string
	ended chan error
}

var address = regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)

// start runs the program and waits for the line that says where it serves.
func start(t *testing.T, bin string, env []string, words ...string) *program {
	t.Helper()
	cmd := exec.Command(bin, words...)
	cmd.Env, cmd.Dir = env, t.TempDir()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var log strings.Builder
	cmd.Stderr = &log
	require.NoError(t, cmd.Start())
	p := &program{cmd: cmd, ended: make(chan error, 1)}
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // one that has ended already is no matter
	lines := bufio.NewScanner(out)
	for p.addr == "" && lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			p.addr = m[1]
		}
	}
	go func() {
		for lines.Scan() {
		}
		p.ended <- cmd.Wait()
	}()
	if p.addr == "" {
		t.Fatalf("%v ended: %v\n%s", words, <-p.ended, log.String())
	}
	return p
}

// stop tells the program to end, as an operator or a container does, and expects that it ends well.
func (p *program) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-p.ended:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("did not end within 20 s")
	}
}

// simulator starts a simulated WeChat and returns an environment that leads to it.
func simulator(t *testing.T, bin string) []string {
	t.Helper()
	dir := t.TempDir()
	start(t, bin, os.Environ(), "wxsim", "--addr", "127.0.0.1:0", "--dir", dir)
	raw, err := os.ReadFile(filepath.Join(dir, "merchant.json"))
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	env := []string{
		"PATH=" + os.Getenv("PATH"), "FENXIAO_HTTP_METRICS_ADDR=127.0.0.1:0",
		"FENXIAO_SECRET_KEY_FILE=" + filepath.Join(dir, "keys.json"),
		"FENXIAO_WECHAT_PRIVATE_KEY_FILE=" + filepath.Join(dir, "apiclient_key.pem"),
		"FENXIAO_WECHAT_PUBLIC_KEY_FILE=" + filepath.Join(dir, "wechatpay_pub_key.pem"),
	}
	for setting, field := range map[string]string{
		"APP_ID": "appid", "APP_SECRET": "app_secret", "MCH_ID": "mchid", "SERIAL_NO": "serial_no", "PUBLIC_KEY_ID": "public_key_id",
		"API_V3_KEY": "api_v3_key", "API_BASE": "base_url", "PAY_BASE": "base_url",
	} {
		env = append(env, fmt.Sprintf("FENXIAO_WECHAT_%s=%v", setting, m[field]))
	}
	return env
}

func measure(t *testing.T, bin string, env []string) {
	t.Helper()
	best := time.Hour
	for range starts {
		began := time.Now()
		p := start(t, bin, env, "serve", "--addr", "127.0.0.1:0")
		require.Equal(t, http.StatusOK, get(t, p, "/readyz"))
		best = min(best, time.Since(began))
		p.stop(t)
	}
	p := start(t, bin, env, "serve", "--addr", "127.0.0.1:0")
	require.Equal(t, http.StatusOK, get(t, p, "/readyz"))
	time.Sleep(idle) // jobs and scrapes have had their first rounds
	if runtime.GOOS == "linux" {
		resident := residentKiB(t, p.cmd.Process.Pid)
		t.Logf("first answer after %d ms; idle it takes %d.%d MB", best.Milliseconds(), resident>>10, (resident&1023)*10>>10)
		require.Less(t, resident, residentKiBMax)
	} else {
		t.Log("NOT RUN: resident memory is read from /proc, which only Linux has")
	}
	require.Less(t, best, answerMax)
	p.stop(t)
}

func get(t *testing.T, p *program, path string) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.addr+path, nil)
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	return res.StatusCode
}

// residentKiB reads how much memory a process holds.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for _, line := range strings.Split(string(raw), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			n, err := strconv.Atoi(strings.Fields(rest)[0])
			require.NoError(t, err)
			return n
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
