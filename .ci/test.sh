#!/usr/bin/env bash
# `make test`: every check, in phases; stops at the first that fails and says how long each took.
set -euo pipefail
cd "$(dirname "$0")/.."

summary=()
phase() {
  local name=$1 started=$SECONDS took
  shift
  printf '\n=== %s\n' "$name"
  if "$@"; then
    took=$((SECONDS - started))
    printf '=== %s: ok, %d s\n' "$name" "$took"
    summary+=("$(printf '%-14s ok      %4d s' "$name" "$took")")
  else
    took=$((SECONDS - started))
    summary+=("$(printf '%-14s FAILED  %4d s' "$name" "$took")")
    finish 1
  fi
}

finish() {
  printf '\n'
  printf '  %s\n' "${summary[@]}"
  if [ "$1" -eq 0 ]; then
    printf '\nall checks passed in %d s\n' "$SECONDS"
  else
    printf '\ncheck failed after %d s: the last line above names the phase\n' "$SECONDS"
  fi
  exit "$1"
}

stock_cases() {
  cargo build --quiet --package smiles --bin smiles || return
  for pipeline in pipelines/hoymiles.yaml pipelines/hoymiles-sqlite.yaml; do
    echo "$pipeline"
    target/debug/smiles test --pipeline "$pipeline" pipelines/hoymiles/tests.yaml || return
  done
}

# The report is for whoever reads this.
year() {
  cargo test --quiet --package smiles --test it -- --ignored --nocapture year::a_year_in_the_life
}

browser_tests() {
  cargo build --quiet --package smiles --bin smiles || return
  (cd web && npm test --silent)
}

phase setup .ci/setup.sh
phase format cargo fmt --all --check
phase clippy cargo clippy --quiet --workspace --all-targets -- -D warnings
phase "rust tests" cargo test --quiet --workspace
phase "stock cases" stock_cases
phase "a year" year
phase "home assistant" .ci/ha.sh
phase "browser tests" browser_tests
finish 0
