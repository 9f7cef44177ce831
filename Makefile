# The front door: each verb is a short script under .ci or one cargo command.
.DEFAULT_GOAL := help
.PHONY: help setup run test soak bench screenshots fmt lint

# The Python of the foreign peers the tests talk to; `make setup` makes it.
export SMILES_TEST_PYTHON ?= $(CURDIR)/.venv/bin/python

help: ## say what each verb does (the default)
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: ## install what the tests need and is missing (system packages, Python peers, Home Assistant, browser driver)
	@exec .ci/setup.sh

# DATA_DIR is where the journal and the readings are kept.
run: export DATA_DIR ?= ./data
run: ## poll the DTU of DTU_HOST or DTU_CONFIGS, or a simulated one, and serve http://localhost:8080
	@exec .ci/serve.sh

test: ## run every check: format, lints, Rust, Home Assistant and browser tests (runs setup first)
	@exec .ci/test.sh

soak: ## run the long form of tests: the bridge besieged, a million values decoded twice
	@SMILES_SOAK_SECONDS=30 cargo test --package smiles --test it api::load
	@SMILES_SOAK_VALUES=1000000 exec cargo test --package smiles-source-modbus --test it datasheets

bench: ## measure, and print the results as a Markdown table
	@exec cargo bench --package smiles --bench spine

screenshots: ## make the pictures of the documentation anew from a running demo
	@cargo build --quiet --package smiles --bin smiles && cd web && npm run --silent screenshots

fmt: ## format all Rust code
	@exec cargo fmt --all

lint: ## check format, lints and, where cargo-deny is installed, licences and sources
	@exec .ci/lint.sh
