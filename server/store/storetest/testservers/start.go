package testservers

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	portTriesMax = 3
	logTailBytes = 2000
	// A Unix socket address holds 108 bytes on Linux, 104 elsewhere.
	socketPathMax = 100
)

// Server is a database or Redis process that this process started. It ends with Stop or Kill.
type Server struct {
	// Addr is 127.0.0.1:port.
	Addr string
	// DSN is a MariaDB's DSN prefix, without a database name; "" for Redis. It leads to the Unix
	// socket, or to Addr where the socket's path would be too long.
	DSN string

	cmd    *exec.Cmd
	exited chan struct{}
}

// StartMariaDB starts a private MariaDB in dir (which should be empty) and returns when it
// answers. Its durability is low: it is for tests.
func StartMariaDB(ctx context.Context, dir string) (*Server, error) {
	install, err := find("mariadb-install-db")
	if err != nil {
		return nil, err
	}
	program, err := find("mariadbd")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create the server folder: %w", err)
	}
	data := filepath.Join(dir, "data")
	args := []string{"--no-defaults", "--datadir=" + data, "--skip-test-db",
		"--auth-root-authentication-method=normal"}
	out, err := exec.CommandContext(ctx, install, append(args, asUser()...)...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("run mariadb-install-db: %w\n%s", err, tail(out))
	}
	return tryPorts(func(port string) (*Server, error) {
		return startMariaDB(ctx, program, dir, port)
	})
}

func startMariaDB(ctx context.Context, program, dir, port string) (*Server, error) {
	socket := filepath.Join(dir, "mysqld.sock")
	dsn := "root@unix(" + socket + ")/"
	if len(socket) > socketPathMax {
		socket, dsn = "mysqld.sock", "root@tcp(127.0.0.1:"+port+")/" // relative to the data folder
	}
	args := []string{
		"--no-defaults", // first, as MariaDB wants it
		"--datadir=" + filepath.Join(dir, "data"), "--socket=" + socket,
		"--pid-file=" + filepath.Join(dir, "mysqld.pid"),
		"--bind-address=127.0.0.1", "--port=" + port, "--skip-name-resolve",
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin",
		"--max-connections=800", "--innodb-buffer-pool-size=512M", "--innodb-log-file-size=256M",
		// Nothing here outlives the run, so nothing needs to reach the disk.
		"--skip-log-bin", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2",
		"--innodb-doublewrite=0", "--debug-no-sync", "--innodb-fast-shutdown=1",
		"--innodb-buffer-pool-dump-at-shutdown=0", "--innodb-buffer-pool-load-at-startup=0",
		"--performance-schema=0",
	}
	s := &Server{Addr: "127.0.0.1:" + port, DSN: dsn}
	if err := s.start(program, append(args, asUser()...), filepath.Join(dir, "mariadb.log")); err != nil {
		return nil, err
	}
	return s.waitReady(ctx, filepath.Join(dir, "mariadb.log"), func(ctx context.Context) error {
		db, err := sql.Open("mysql", s.DSN)
		if err != nil {
			return err
		}
		defer func() { _ = db.Close() }()
		return db.PingContext(ctx)
	})
}

// StartRedis starts a private Redis that stores nothing, in dir, and returns when it answers.
// addr is where it listens, to come back under the same address after a Stop; "" finds a free
// port of the loopback interface.
func StartRedis(ctx context.Context, dir, addr string) (*Server, error) {
	program, err := find("redis-server")
	if err != nil {
		return nil, err
	}
	if addr == "" {
		return tryPorts(func(port string) (*Server, error) {
			return startRedis(ctx, program, dir, port)
		})
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("parse Redis address: %w", err)
	}
	return startRedis(ctx, program, dir, port)
}

func startRedis(ctx context.Context, program, dir, port string) (*Server, error) {
	s := &Server{Addr: "127.0.0.1:" + port}
	log := filepath.Join(dir, "redis.log")
	args := []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no",
		"--dir", dir, "--daemonize", "no"}
	if err := s.start(program, args, log); err != nil {
		return nil, err
	}
	return s.waitReady(ctx, log, func(ctx context.Context) error { return pingRedis(ctx, s.Addr) })
}

// pingRedis speaks the two lines of the protocol itself, so that this package needs no client.
func pingRedis(ctx context.Context, addr string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return err
	}
	answer := make([]byte, 7)
	n, err := conn.Read(answer)
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(answer[:n], []byte("+PONG")) {
		return fmt.Errorf("unexpected answer %q", answer[:n])
	}
	return nil
}

// Stop asks the server to end, waits, and kills it when it does not. It may be called again.
func (s *Server) Stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended already
	select {
	case <-s.exited:
		return nil
	case <-time.After(stopTimeout):
		s.Kill()
		return fmt.Errorf("stop %s: killed after %s", s.cmd.Path, stopTimeout)
	}
}

// Kill ends the server at once, as a power cut would.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Exited is closed when the server's process has ended.
func (s *Server) Exited() <-chan struct{} { return s.exited }

func (s *Server) start(program string, args []string, logFile string) error {
	log, err := os.Create(logFile)
	if err != nil {
		return fmt.Errorf("create the server's log: %w", err)
	}
	defer func() { _ = log.Close() }()
	s.cmd = exec.Command(program, args...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// A group of its own: Ctrl-C at the terminal reaches the tests, which then still have their
	// servers while they clean up.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", program, err)
	}
	s.exited = make(chan struct{})
	go func() {
		_ = s.cmd.Wait() // how it ended is in its log
		close(s.exited)
	}()
	return nil
}

func (s *Server) waitReady(ctx context.Context, logFile string, ping func(context.Context) error) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ping(ctx)
		select {
		case <-s.exited: // before err: another server may answer on this port
			log, _ := os.ReadFile(logFile)
			return nil, fmt.Errorf("%s ended while starting\n%s", s.cmd.Path, tail(log))
		default:
		}
		if err == nil {
			return s, nil
		}
		select {
		case <-s.exited:
		case <-tick.C:
		case <-ctx.Done():
			s.Kill()
			return nil, fmt.Errorf("wait for %s: %w", s.cmd.Path, errors.Join(ctx.Err(), err))
		}
	}
}

// tryPorts starts a server on a free port. Another process may take the port between our look
// and the server's, so a failed start is tried again on another one.
func tryPorts(start func(port string) (*Server, error)) (s *Server, err error) {
	for range portTriesMax {
		var port string
		if port, err = freePort(); err != nil {
			return nil, err
		}
		if s, err = start(port); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// find looks on PATH and where Debian keeps servers, which is not on every user's PATH.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/local/sbin", "/usr/local/bin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed; scripts/install-test-servers.sh installs it or says what to install", program)
}

// asUser lets MariaDB run as root, which it refuses unless told so.
func asUser() []string {
	if os.Getuid() == 0 {
		return []string{"--user=root"}
	}
	return nil
}

func tail(b []byte) string {
	return string(b[max(0, len(b)-logTailBytes):])
}
