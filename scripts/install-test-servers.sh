#!/usr/bin/env bash
# Makes sure that the database server and the Redis server which the tests start for themselves
# are on this machine. Installs Debian's packages when they are missing and it may (root and apt);
# otherwise says what to install and exits 2. It starts no service and configures none: the tests
# run private instances on free ports in a temporary folder (server/store/storetest/cmd/withservers).
set -euo pipefail

# MariaDB's server lives in /usr/sbin, which is not on every user's PATH.
PATH="$PATH:/usr/sbin:/usr/local/sbin"

packages=()
has() { command -v "$1" >/dev/null 2>&1; }
{ has mariadbd && has mariadb-install-db; } || packages+=(mariadb-server)
has redis-server || packages+=(redis-server)

if [ ${#packages[@]} -eq 0 ]; then
  echo "test servers: present ($(command -v mariadbd), $(command -v redis-server))"
  exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
  cat >&2 <<MSG
The tests need programs that this machine does not have: ${packages[*]}

  Debian, Ubuntu:   sudo apt-get update && sudo apt-get install -y ${packages[*]}
  Fedora:           sudo dnf install mariadb-server redis
  macOS:            brew install mariadb redis

Needed: mariadbd and mariadb-install-db (MariaDB 10.6 or newer), redis-server (6 or newer).
They need not run as services: the tests start private instances and stop them afterwards.
MSG
  exit 2
fi

# Debian starts a service as soon as it is installed unless this file says no. We want the programs only.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
echo "test servers: installing ${packages[*]}"
apt-get update -q
apt-get install -y -q --no-install-recommends "${packages[@]}"

for program in mariadbd mariadb-install-db redis-server; do
  has "$program" || { echo "installed ${packages[*]}, but $program is still missing" >&2; exit 2; }
done
echo "test servers: ready"
