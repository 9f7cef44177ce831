#!/usr/bin/env bash
# Brings in what the tests need and is missing; quick and silent when nothing is.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}
say() { printf 'setup: %s\n' "$*"; }

# --- what is not installed for you -----------------------------------------------------------------------
command -v cargo >/dev/null || fail "cargo is missing; install the Rust toolchain (rustup)"
command -v node >/dev/null || fail "node is missing; install Node.js 20 or newer, with npm"
command -v npm >/dev/null || fail "npm is missing; install Node.js 20 or newer, with npm"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || fail "node $(node --version) is too old; install Node.js 20 or newer"

# hoymiles-modbus supports Python 3.10 to 3.13.
find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.10; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}
python=$(find_python) || fail "no Python 3.10 to 3.13 found; install one, or name it: make setup PYTHON=/path/to/python3"

# Home Assistant's own test kit asks for Python 3.13 or newer: on PATH, under pyenv, or named by HA_PYTHON.
find_ha_python() {
  local candidate
  for candidate in ${HA_PYTHON:-} python3.13 python3.14 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[34]*/bin/python3; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 13) <= sys.version_info[:2] < (3, 15))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  return 1
}
ha_python=$(find_ha_python) || fail "no Python 3.13 found, which the Home Assistant tests need; install one (pyenv install 3.13), or name it: make setup HA_PYTHON=/path/to/python3.13"

# --- system packages --------------------------------------------------------------------------------------
packages=()
{ command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'; } >/dev/null || packages+=(postgresql)
{ command -v pgbouncer || [ -x /usr/sbin/pgbouncer ]; } >/dev/null || packages+=(pgbouncer)
command -v chromium >/dev/null || packages+=(chromium)
command -v sqlite3 >/dev/null || packages+=(sqlite3)
command -v c++ >/dev/null || packages+=(g++)
command -v valgrind >/dev/null || packages+=(valgrind)
{ command -v influxd || [ -x /usr/bin/influxd ]; } >/dev/null || packages+=(influxdb)
# A Modbus server that is neither ours nor Python's.
{ ldconfig -p 2>/dev/null || /sbin/ldconfig -p; } | grep -q 'libmodbus\.so\.5' || packages+=(libmodbus5)
command -v curl >/dev/null || packages+=(curl)
# Fixtures of an earlier day are read on that day.
command -v faketime >/dev/null || packages+=(faketime)
command -v systemd-analyze >/dev/null || packages+=(systemd)
command -v docker-compose >/dev/null || packages+=(docker-compose)
# Prometheus itself, and promtool, which judges what /metrics says.
command -v promtool >/dev/null || packages+=(prometheus)
# Debian ships Python without the part that makes virtual environments.
"$python" -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3-venv)

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these packages are missing and need root to install: ${packages[*]}"
    as_root=(sudo)
  fi
  command -v apt-get >/dev/null || fail "these programs are missing, by their Debian package: ${packages[*]}"
  say "installing ${packages[*]}"
  "${as_root[@]}" apt-get update -qq || fail "apt-get update failed; install by hand: ${packages[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    "${packages[@]}" >/dev/null || fail "apt-get install failed; install by hand: ${packages[*]}"
}
[ ${#packages[@]} -eq 0 ] || install_packages

# --- Python peers, Home Assistant and browser driver --------------------------------------------------------
# Each keeps a copy of the list it was installed from: the same list again is no work.
virtual_environment() {
  local venv=$1 interpreter=$2 requirements=$3 what=$4
  if cmp -s "$requirements" "$venv/requirements.txt" && "$venv/bin/python" -c '' 2>/dev/null; then
    return
  fi
  say "installing $what into $venv"
  "$interpreter" -m venv --clear "$venv"
  "$venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$venv/requirements.txt"
}
virtual_environment .venv "$python" cli/tests/peers/requirements.txt "the Python peers"
virtual_environment .venv-ha "$ha_python" custom_components/requirements-test.txt "Home Assistant"

if ! cmp -s web/package-lock.json web/node_modules/installed-lock.json; then
  say "installing the browser driver into web/node_modules"
  (cd web && npm ci --silent)
  cp web/package-lock.json web/node_modules/installed-lock.json
fi
