#!/usr/bin/env bash
# The build stage of the Dockerfile, as a script that CI runs too: a static binary, checked to be
# static, whose help and story work. Usage: scripts/docker-build-steps.sh [OUTPUT]
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
out=${1:-$work/fenxiao}

echo "== build $out"
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$out" ./cmd/fenxiao

echo "== static?"
go version -m "$out" | grep -q 'CGO_ENABLED=0' || { echo "built with cgo" >&2; exit 1; }
# ldd succeeds only on what needs shared libraries.
if command -v ldd >/dev/null && ldd "$out" >/dev/null 2>&1; then
  echo "$out needs shared libraries:" >&2
  ldd "$out" >&2
  exit 1
fi

echo "== help"
"$out" --help

echo "== story"
"$out" story --db "$work/story.db"
