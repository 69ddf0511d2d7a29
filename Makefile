# What people and CI run. `make help` lists it. Needs: Rust (see README.md), make, a C compiler;
# for `make test` also python3 with venv, a C++ compiler, and a way to the package registries on the first run.

CARGO ?= cargo
CARGO_TARGET_DIR ?= $(CURDIR)/target
export CARGO_TARGET_DIR

BIN := $(CARGO_TARGET_DIR)/release/rivermouth
VENV := $(CARGO_TARGET_DIR)/venv
PYTHON := $(VENV)/bin/python
# Seconds for each fuzz target.
FUZZ_SECONDS ?= 10
XTASK := $(CARGO) run --quiet --locked --package xtask --
REQUIREMENTS := $(wildcard tests/conformance/requirements.txt tests/aepp/requirements.txt)

.PHONY: help build demo test format lint tidy deps docs rust-tests fuzz fuzz-lock python-tests conformance aepp bench clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

build: ## Build the release program
	$(CARGO) build --locked --release --package cli
	@echo "built $(BIN)"

demo: build ## Run the main job on 69,659 real purchases
	$(BIN) demo --exit

# The order is cheap checks first; each stage stops the run when it fails.
test: lint build docs rust-tests fuzz python-tests ## Everything that CI checks
	@echo "make test: all stages passed"

lint: format tidy deps ## Format, clippy with denied warnings, house rules, dependencies
	$(CARGO) clippy --locked --workspace --all-targets --all-features -- --deny warnings

format: ## Check the format
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check

tidy: ## House rules: floors, headers, names, lengths
	$(XTASK) tidy

# cargo-deny where it is installed; else the same file checked by xtask (no advisories in either).
deps: ## Licences, sources, bans and duplicates of dependencies
	@if $(CARGO) deny --version >/dev/null 2>&1; \
	then $(CARGO) deny --locked check bans licenses sources; \
	else $(XTASK) deps; fi

docs: build ## Pages printed from the code are up to date
	$(XTASK) docs --bin $(BIN)

rust-tests: build ## Unit, case, integration and crash tests
	@if $(CARGO) nextest --version >/dev/null 2>&1; \
	then $(CARGO) nextest run --locked --workspace --all-features --no-fail-fast; \
	else $(CARGO) test --locked --workspace --all-features --no-fail-fast --lib --bins --tests; fi

fuzz: ## Templates and configurations against mutated input (FUZZ_SECONDS=10 for each target, FUZZ=names)
	$(XTASK) fuzz $(FUZZ_SECONDS) $(FUZZ)

fuzz-lock: ## After a change of dependencies: the fuzz targets take the versions of Cargo.lock
	cp Cargo.lock fuzz/Cargo.lock
	$(CARGO) metadata --manifest-path fuzz/Cargo.toml --format-version 1 >/dev/null

python-tests: conformance aepp

conformance: build $(VENV)/ready ## Published OpenAPI examples against a running server
	$(XTASK) with-server --bin $(BIN) -- $(PYTHON) tests/conformance/run.py --base-url {url} --credentials {credentials}

aepp: build $(VENV)/ready ## The public Python client against a running server
	$(XTASK) with-server --bin $(BIN) -- $(PYTHON) tests/aepp/test_aepp.py --base-url {url} --credentials {credentials}

$(VENV)/ready: $(REQUIREMENTS)
	@python3 -m venv $(VENV) 2>/dev/null || tests/install_venv.sh $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check $(addprefix -r ,$(REQUIREMENTS))
	@touch $@

bench: build ## Speed, with baselines in the same run
	$(CARGO) run --locked --release --package bench

clean: ## Remove what was built
	$(CARGO) clean
