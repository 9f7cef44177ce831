#!/usr/bin/env bash
# The Home Assistant integration: lints, types, and its tests on a real Home Assistant core and the real bridge.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --quiet --package smiles --bin smiles
bin=$PWD/.venv-ha/bin
(
  cd custom_components
  "$bin/ruff" check --quiet .
  "$bin/ruff" format --check --quiet .
  "$bin/mypy" --config-file pyproject.toml hoymiles_smiles brand.py
)
# Home Assistant logs every step of its life; only what pytest says of a failure is of use.
SMILES_BIN=${CARGO_TARGET_DIR:-$PWD/target}/debug/smiles PYTHONPATH=$PWD \
  "$bin/python" -m pytest -c custom_components/pyproject.toml --rootdir custom_components \
  --show-capture=no --quiet --cov=custom_components.hoymiles_smiles --cov-config=custom_components/pyproject.toml \
  --cov-report=term-missing:skip-covered "$@"
# Of some of the tests nobody expects full coverage.
[ $# -eq 0 ] || exit 0
"$bin/coverage" report --rcfile=custom_components/pyproject.toml --include='*/config_flow.py' --fail-under=100 >/dev/null || {
  echo "ha: config_flow.py is not covered fully; the table above names the lines" >&2
  exit 1
}
