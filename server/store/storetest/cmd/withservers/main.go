// Command withservers runs a command with a private MariaDB and a private Redis, which it starts
// on free ports in a temporary folder and stops afterwards:
//
//	go run ./server/store/storetest/cmd/withservers -- go test ./...
//
// The command finds them through FENXIAO_TEST_MARIADB and FENXIAO_TEST_REDIS, and
// FENXIAO_TEST_REQUIRE=1 tells it that doing without is a failure. withservers exits with the
// command's code, or with 2 when the servers could not be started.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"

	"fenxiao/server/store/storetest/testservers"
)

const exitCannotRun = 2

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withservers [--] COMMAND [ARGUMENT...]")
		os.Exit(exitCannotRun)
	}
	os.Exit(run(args))
}

func run(command []string) int {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	dir, err := os.MkdirTemp("", "fenxiao-test-")
	if err != nil {
		return cannot(err)
	}
	defer func() {
		if err := os.RemoveAll(dir); err != nil {
			fmt.Fprintln(os.Stderr, "withservers:", err)
		}
	}()
	mariadb, redis, err := startBoth(dir)
	defer stop(mariadb, redis)
	if err != nil {
		return cannot(err)
	}
	// The tests' own files go into the folder too, so that a killed test leaves nothing behind.
	tmp := filepath.Join(dir, "tmp")
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return cannot(err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(),
		testservers.MariaDBEnv+"="+mariadb.DSN,
		testservers.RedisEnv+"="+redis.Addr,
		testservers.RequireEnv+"=1",
		"TMPDIR="+tmp,
	)
	if err := cmd.Start(); err != nil {
		return cannot(err)
	}
	return wait(cmd, signals)
}

// wait hands signals on and waits for the command. Ctrl-C reaches the command by itself (it is
// in our process group); a second copy does no harm.
func wait(cmd *exec.Cmd, signals <-chan os.Signal) int {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-ended:
			var exit *exec.ExitError
			switch {
			case err == nil:
				return 0
			case errors.As(err, &exit) && exit.ExitCode() >= 0:
				return exit.ExitCode()
			default: // ended by a signal
				fmt.Fprintln(os.Stderr, "withservers: command:", err)
				return 1
			}
		}
	}
}

func startBoth(dir string) (mariadb, redis *testservers.Server, err error) {
	ctx := context.Background()
	var wg sync.WaitGroup
	var errs [2]error
	wg.Go(func() {
		sub := filepath.Join(dir, "m")
		if errs[0] = os.Mkdir(sub, 0o755); errs[0] == nil {
			mariadb, errs[0] = testservers.StartMariaDB(ctx, sub)
		}
	})
	wg.Go(func() {
		sub := filepath.Join(dir, "r")
		if errs[1] = os.Mkdir(sub, 0o755); errs[1] == nil {
			redis, errs[1] = testservers.StartRedis(ctx, sub, "")
		}
	})
	wg.Wait()
	return mariadb, redis, errors.Join(errs[:]...)
}

func stop(servers ...*testservers.Server) {
	for _, s := range servers {
		if s == nil {
			continue
		}
		if err := s.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "withservers:", err)
		}
	}
}

func cannot(err error) int {
	fmt.Fprintln(os.Stderr, "withservers:", err)
	return exitCannotRun
}
