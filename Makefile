# The commands of this repository; `make` alone lists them. CI runs the same ones (.ci/run).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo story build test test-race lint golden fuzz docker-steps clean

GO      ?= go
SERVERS := $(GO) run ./server/store/storetest/cmd/withservers --
# Two packages at a time: the servers and the concurrency tests want the rest of the machine.
TEST    := $(GO) test -p 2 -timeout 20m
# Where goroutines meet; the race detector makes everything else only slower.
RACE    := ./server/store/... ./server/redisx/... ./server/ledger/... ./server/flow/... ./server/httpx/... \
           ./server/wechat/... ./jobs/... ./server/app/...
FUZZ_SECONDS ?= 10

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: build ## build and start a demo shop: SQLite, embedded Redis, WeChat simulator, 90 days of data
	./bin/fenxiao demo

story: ## play the main job once on a fresh database, with its unhappy ways, and prove the figures
	$(GO) run ./cmd/fenxiao story --unhappy --db "$$(mktemp -d)/story.db"

build: ## build bin/fenxiao, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/fenxiao ./cmd/fenxiao

test: lint ## install what the tests need if it may, run everything on SQLite, MariaDB and Redis
	./scripts/install-test-servers.sh
	$(SERVERS) $(TEST) ./...

test-race: ## run the tests of the packages where goroutines meet under the race detector
	./scripts/install-test-servers.sh
	$(SERVERS) $(TEST) -race $(RACE)

lint: ## check formatting, vet
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...

golden: ## write the golden files anew (OpenAPI and others); read the difference before committing it
	@packages=$$(git grep -lE 'flag\.Bool(Var)?\(.*"update"' -- '*_test.go' | xargs -r -n1 dirname | sort -u | sed 's|^|./|'); \
	[ -n "$$packages" ] || { echo "no package has golden files"; exit 0; }; \
	$(SERVERS) $(GO) test $$packages -update

fuzz: ## fuzz every decoder of outside bytes, FUZZ_SECONDS each
	@set -o pipefail; git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's|:func | |' | while read -r file name; do \
		echo "== $$name"; \
		$(GO) test "./$$(dirname "$$file")" -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZ_SECONDS)s || exit 1; \
	done

docker-steps: ## run the commands of the Dockerfile's build stage here
	./scripts/docker-build-steps.sh

clean: ## remove what was built here
	rm -rf bin
