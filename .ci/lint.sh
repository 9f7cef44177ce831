#!/usr/bin/env bash
# The static checks; `make test` runs the first two of them as well.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --workspace --all-targets -- -D warnings
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --all-features check licenses bans sources
else
  echo "lint: cargo-deny is not installed, so deny.toml was not checked (cargo install cargo-deny)" >&2
fi
