#!/usr/bin/env bash
# `make run`: the configured DTU, or a simulated one when none is configured.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v cargo >/dev/null || {
  echo "run: cargo is missing; install the Rust toolchain (rustup), then try again" >&2
  exit 1
}

verb=run
[ -n "${DTU_HOST:-}${DTU_CONFIGS:-}" ] || verb=demo

# The dev profile: it shares its artefacts with the tests, compiles several times faster than a release,
# and one poll a minute does not need more. A deployment builds the Dockerfile, which is a release.
# `cargo run` becomes the program (exec), so its signals and its exit code are the program's.
command=(cargo run --quiet --package smiles --bin smiles -- "$verb")
echo "run: building, then smiles $verb (DATA_DIR=$DATA_DIR); Ctrl-C stops it" >&2

# make dies of the SIGINT that a Ctrl-C sends to its process group, whatever its recipe makes of it, and then
# a clean stop looks like a failure. On a terminal the program therefore gets a foreground process group of
# its own (job control): Ctrl-C reaches the program alone, and make ends with the program's exit code.
foreground_of_terminal() {
  [ -t 0 ] && [ -t 2 ] || return 1
  local own terminal
  read -r own terminal < <(ps -o pgid=,tpgid= -p $$ 2>/dev/null) || return 1
  [ "$own" = "$terminal" ]
}
if foreground_of_terminal; then
  set -m
  "${command[@]}"
else
  exec "${command[@]}"
fi
