#!/usr/bin/env bash
# Make this clone ready to run. Everything is looked at first, so a second run takes no time.
#
#   deploy/install.sh runtime          virtual environment with requirements.txt and our packages
#   deploy/install.sh development      the same with requirements-dev.txt
#   deploy/install.sh servers          RabbitMQ and PostgreSQL, unless .env brings its own or a Docker engine answers
#   deploy/install.sh native-servers   RabbitMQ and PostgreSQL for the tests, Docker or not
#   deploy/install.sh browser          Chromium, in which the tests look at /info
#   deploy/install.sh prometheus       Prometheus and promtool, which try the alert rules
#
# Several words may be given. What pip and apt have to say goes to .local/logs/install.log; the console gets a line
# for each step.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly LOG=.local/logs/install.log
readonly PACKAGES=(libs/common libs/sandbox services/fetcher services/normalizer services/gateway)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

say() { printf '[INFO] %s\n' "$*"; }
die() { printf '[ERROR] %s\n' "$*" >&2; exit 1; }

logged() { # step words: run a command, and point to the log when it fails
  local step=$1
  shift
  "$@" >>"$LOG" 2>&1 </dev/null || die "$step failed: $(grep -v '^[[:space:]]*$' "$LOG" | tail -n 1) (see $LOG)"
}

# System packages

is_given() { # name of a variable: set in the environment or in .env?
  [ -n "${!1:-}" ] || grep -qsE "^[[:space:]]*(export[[:space:]]+)?$1[[:space:]]*=[[:space:]]*[^[:space:]#]" .env
}

engine_answers() {
  timeout 10 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

has_rabbitmq() { [ -d /usr/lib/rabbitmq/lib ]; }
has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null; }

has_browser() { command -v chromium >/dev/null; }
has_prometheus() { command -v promtool >/dev/null; }

missing_servers() { # print Debian's names of the servers that are not installed
  has_rabbitmq || echo rabbitmq-server
  has_postgresql || echo postgresql
}

wanted_servers() { # print those of them that nobody else provides
  local missing
  missing=$(missing_servers)
  if is_given RABBITMQ_URL; then missing=${missing/rabbitmq-server/}; fi
  if is_given DB_HOST; then missing=${missing/postgresql/}; fi
  if [ -n "${missing//[[:space:]]/}" ] && ! engine_answers; then echo "$missing"; fi
}

find_python() { # print the first interpreter that is new enough
  local name
  for name in ${PYTHON:+"$PYTHON"} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      printf '%s' "$name"
      return
    fi
  done
  return 1
}

environment_works() { # its scripts hold the place where it was made, so a moved one does not
  .venv/bin/python -c 'import pip' 2>/dev/null && grep -qF " $PWD/.venv" .venv/pyvenv.cfg
}

missing_python() { # print Debian's names of what the virtual environment needs
  local python
  if environment_works; then
    return
  elif ! python=$(find_python); then
    echo python3 python3-venv
  elif ! "$python" -c 'import ensurepip' 2>/dev/null; then
    echo "$(basename "$python")-venv"
  fi
}

missing_packages() { # steps
  local step
  for step in "$@"; do
    case $step in
      runtime | development) missing_python ;;
      native-servers) missing_servers ;;
      servers) wanted_servers ;;
      browser) has_browser || echo chromium ;;
      prometheus) has_prometheus || echo prometheus ;;
      *) die "unknown step: $step" ;;
    esac
  done
}

install_packages() { # Debian's names
  local command="apt-get install --no-install-recommends $*" right=()
  command -v apt-get >/dev/null || die "missing: $*. Install it with the package manager of this system"
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || die "missing: $*. Install it with: sudo $command"
    right=(sudo -n)
  fi
  say "installing system packages: $*"
  logged "$command" "${right[@]}" bash deploy/apt-install.sh "$@"
}

# Python packages

fingerprint() { # requirements file: what .venv was made from; differs when it was made elsewhere or of something else
  { pwd; .venv/bin/python -V; cat "$1" "${PACKAGES[@]/%//pyproject.toml}"; } 2>&1 | sha256sum
}

is_current() { # requirements file
  [ "$(cat ".venv/.made-from-$1" 2>/dev/null)" = "$(fingerprint "$1")" ]
}

install_python() { # requirements file
  local python
  if ! environment_works; then
    python=$(find_python) || die "no Python 3.11 or newer on the PATH; name one with: make PYTHON=/path/to/python3 …"
    say "creating the virtual environment .venv"
    logged "creating .venv" "$python" -m venv --clear .venv
  fi
  say "installing Python packages of $1"
  logged "pip install -r $1" .venv/bin/python -m pip install --require-hashes -r "$1"
  logged "pip install of our packages" \
    .venv/bin/python -m pip install --no-deps --no-build-isolation "${PACKAGES[@]/#/--editable=}"
  fingerprint "$1" >".venv/.made-from-$1"
}

main() { # steps
  local step missing
  mkdir -p .local/logs
  exec 9>.local/install.lock
  flock 9 # two starts at once: the second finds everything done
  missing=$(missing_packages "$@")
  if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # names, one word each
    install_packages $missing
  fi
  for step in "$@"; do
    case $step in
      runtime) is_current requirements-dev.txt || is_current requirements.txt || install_python requirements.txt ;;
      development) is_current requirements-dev.txt || install_python requirements-dev.txt ;;
    esac
  done
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  main "$@"
fi
