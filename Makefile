# Tasuki: `make help` lists the targets. Needs make and Python 3.11 or newer; everything else is installed here.
.DEFAULT_GOAL := help
.PHONY: help install demo test explore simulation test-kafka test-fault fuzz outage chaos sabotage control soak load bench lint analytics-js up down clean

# The first of these that exists makes the virtual environment; PYTHON=... chooses another.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.13 python3,$(shell command -v $(name))))
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
# As pip does: behind a company's proxy only the system knows the certificate.
export UV_SYSTEM_CERTS ?= 1

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Locked dependencies into .venv (uses uv; brings its own where there is none)

# uv gets a virtual environment of its own: `uv sync` removes from .venv whatever the lock does not name, uv included.
$(VENV)/.installed: pyproject.toml uv.lock
	@if uv --version >/dev/null 2>&1; then uv=uv; else \
	  uv=build/uv/bin/uv; \
	  if ! $$uv --version >/dev/null 2>&1; then \
	    echo "installing uv into build/uv"; \
	    $(PYTHON) -m venv --clear build/uv && build/uv/bin/python -m pip install --quiet uv || { \
	      echo "cannot prepare uv: Python 3.11 or newer with venv (Debian: python3-venv) and PyPI are needed" >&2; exit 1; }; \
	  fi; \
	fi; \
	$$uv sync --frozen --all-extras --python "$(PYTHON)"
	@touch $@

demo: install ## A sample company end to end, until Ctrl-C (ONCE=1: summary and exit; LEADS=, SEED=)
	@$(BIN)/tasuki demo $(if $(ONCE),--once) $(if $(LEADS),--leads $(LEADS)) $(if $(SEED),--seed $(SEED))

test: install ## Unit, property and integration tests
	@$(PYTEST) tests/unit tests/property tests/integration

explore: install ## The laws (tests/property) with other examples each time, EXAMPLES=1000 of each (LAWS=... for some)
	@EXAMPLES=$(or $(EXAMPLES),1000) $(PYTEST) tests/property --hypothesis-profile explore $(if $(LAWS),-k "$(LAWS)")

simulation: install ## Two years of business in simulated time, every law looked at at every step (LEADS=3000 SEED=1)
	@$(BIN)/python -m tests.simulation.run --leads $(or $(LEADS),3000) --seed $(or $(SEED),1)

test-kafka: install ## The integration tests on Apache Kafka itself
	@TASUKI_PARTS=apache $(PYTEST) tests/integration

test-fault: install ## The short schedule of faults on Apache Kafka (some four minutes)
	@$(PYTEST) tests/fault

fuzz: install ## Bytes that nobody thought of, for SECONDS=60, on whatever reads requests (Linux on x86-64)
	@$(BIN)/python -m tests.fuzz.requests --seconds $(or $(SECONDS),60)

outage: install ## 100,000 events while Kafka is away for a minute: accepted, delivered, copies, order (KILL=1: ingest too)
	@$(BIN)/python -m tests.fault.outage $(if $(KILL),--kill)

chaos: install ## The fault suite (SEED=1, EVENTS=300000, FAULTS=25, RATE=600): table, and build/chaos-<seed>.json
	@$(BIN)/python -m tests.fault.run --seed $(or $(SEED),1) --events $(or $(EVENTS),300000) --faults $(or $(FAULTS),25) \
	  --rate $(or $(RATE),600)

sabotage: install ## Take each measure against faults away, and see the suite notice (MEASURES="fencing ..." for some)
	@$(BIN)/python -m tests.fault.sabotage $(MEASURES)

control: install ## The same faults with stock Faust tables, at-least-once and exactly_once
	@$(BIN)/python -m tests.fault.control

soak: install ## Steady load for MINUTES=30: memory, files and lag
	@$(BIN)/python -m tests.fault.soak --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

load: install ## Rates of ingest, scorer and router on this machine
	@$(BIN)/python -m tests.load.ingest_rate --seconds 5
	@$(BIN)/python -m tests.load.scorer_rate --events 100000
	@$(BIN)/python -m tests.load.router_rate --leads 5000 --records 25000 --singles 50

bench: install ## All benchmarks on Apache Kafka (PARTS=embedded, QUICK=1, ONLY=scorer,e2e): table, and build/bench.json
	@$(BIN)/python -m tests.load.bench_all $(if $(PARTS),--parts $(PARTS)) $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))

lint: install ## Format, style, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

analytics-js: ## analytics.js, for ingest to serve (needs npm; then TASUKI_ANALYTICS_JS, see deploy/settings.reference.env)
	@npm ci --prefix deploy/analytics-js --ignore-scripts --omit=optional --no-audit --no-fund

up: ## The Docker stack (deploy/compose.yaml)
	docker compose --project-name tasuki --file deploy/compose.yaml up --build --detach --wait

down: ## Stop the Docker stack
	docker compose --project-name tasuki --file deploy/compose.yaml down

clean: ## Remove what install, tests and benchmarks left
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
