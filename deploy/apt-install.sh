#!/usr/bin/env bash
# Install Debian packages as root, and let no maintainer script start a broker or a database of the system:
# feedmill runs private instances of its own, and whoever wants the system's can enable them.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 LC_ALL=C.UTF-8
exec </dev/null

readonly MARK='# placed by feedmill for the time of one installation'
readonly POLICY=/usr/sbin/policy-rc.d
readonly CLUSTERS=/etc/postgresql-common/createcluster.d
readonly NO_CLUSTER=$CLUSTERS/feedmill.conf

is_installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
is_ours() { grep -qsxF "$MARK" "$1"; }

clean_up() { # also after an interruption, when apt may have finished all the same
  if is_ours "$POLICY"; then rm -f "$POLICY"; fi
  if is_ours "$NO_CLUSTER"; then rm -f "$NO_CLUSTER"; fi
  rmdir --ignore-fail-on-non-empty "$CLUSTERS" 2>/dev/null || true
  if [ $broker_was_here = no ] && is_installed rabbitmq-server; then
    update-rc.d rabbitmq-server disable # nor shall it start after the next boot
  fi
}

forbid_starting() {
  if [ ! -e "$POLICY" ]; then
    printf '#!/bin/sh\n%s\nexit 101\n' "$MARK" >"$POLICY"
    chmod 0755 "$POLICY"
  fi
  # Read through the include_dir of createcluster.conf, so that file itself stays as it is.
  if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
    mkdir -p "$CLUSTERS"
    printf '%s\ncreate_main_cluster = false\n' "$MARK" >"$NO_CLUSTER"
  fi
}

exec 8>/run/feedmill-install.lock
flock 8
if is_installed rabbitmq-server; then broker_was_here=yes; else broker_was_here=no; fi
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
forbid_starting
apt-get update || echo 'the package lists stay as they are'
apt-get install --yes --no-install-recommends -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold "$@"
