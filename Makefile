# One target for each wish; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
LOCAL := $(BIN)/sandbox local
PLATFORM ?=
COUNT ?= 1
SINCE ?=
AGAIN ?=
FORCE ?=
DRY_RUN ?=
REASON ?=
MESSAGE ?=
SIZE ?=
TO ?=
FROM ?=

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options --no-header

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 16

.PHONY: install
install: ## virtual environment, Python packages, RabbitMQ and PostgreSQL
	@deploy/install.sh runtime servers

.PHONY: up
up: install ## start everything, load the offers, print where it is; again: start what is missing
	@$(LOCAL) up

.PHONY: down
down: ## stop exactly what `make up` started; the data stay
	@$(LOCAL) down

.PHONY: status
status: ## what runs, and whether it is ready
	@$(LOCAL) status

.PHONY: logs
logs: ## follow the logs (Ctrl-C ends)
	@$(LOCAL) logs

.PHONY: load
load: ## first load (of PLATFORM only); goes on where it stopped (AGAIN=1: anew although it was finished)
	@$(LOCAL) run fetcher initial-load $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(AGAIN),--again)

.PHONY: daily
daily: ## daily update (of PLATFORM only); SINCE=2026-11-20 replays from that day
	@$(LOCAL) run fetcher daily-update $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(SINCE),--since $(SINCE))

.PHONY: retry-gaps
retry-gaps: ## ask again for the pages that are missing (of PLATFORM only)
	@$(LOCAL) run fetcher retry-gaps $(if $(PLATFORM),--platform $(PLATFORM))

.PHONY: reconcile
reconcile: ## find what walks of the list have missed, retire what has gone (FORCE=1: however much)
	@$(LOCAL) run fetcher reconcile $(if $(PLATFORM),--platform $(PLATFORM)) $(if $(FORCE),--force)

.PHONY: shop-sync
shop-sync: ## snapshot of the shop; with FORCE=1 also when most of it has gone
	@$(LOCAL) run fetcher shop-sync $(if $(FORCE),--force)

.PHONY: normalize
normalize: ## normalise what is waiting
	@$(LOCAL) run normalizer normalize

.PHONY: renormalize
renormalize: ## normalise all landed rows anew after a mapping was changed (DRY_RUN=1: only say what would change)
	@$(LOCAL) run normalizer renormalize $(if $(DRY_RUN),--dry-run) $(if $(PLATFORM),--platform $(PLATFORM))

.PHONY: replay-dead
replay-dead: ## land dead letters that can be landed now (REASON=..., MESSAGE=... for some)
	@$(LOCAL) run normalizer replay-dead $(if $(REASON),--reason $(REASON)) $(if $(MESSAGE),--message-id $(MESSAGE))

.PHONY: tokens
tokens: ## make COUNT (1) access tokens and show them once
	@$(LOCAL) run gateway tokens create --count $(COUNT)

.PHONY: doctor
doctor: ## look at everything that is needed, and say what is wrong and what helps
	@$(LOCAL) run feedmill doctor

.PHONY: migrate
migrate: ## bring the database to the newest revision
	@$(LOCAL) run feedmill migrate

.PHONY: dump
dump: ## write the database to a new folder (TO=dumps/...); services go on meanwhile
	@$(LOCAL) dump $(TO)

.PHONY: restore
restore: ## stop the services and make the database what the dump FROM=... holds (FORCE=1: replace what is there)
	@$(LOCAL) restore $(if $(FORCE),--force) $(or $(FROM),$(error FROM=dumps/... is missing))

.PHONY: psql
psql: ## open the database in psql
	@$(LOCAL) psql

.PHONY: console
console: ## address, user and password of the RabbitMQ console
	@$(LOCAL) console

.PHONY: development
development:
	@deploy/install.sh development

.PHONY: test
test: ## every test of behaviour, on a real RabbitMQ and PostgreSQL; counts by kind
	@deploy/install.sh development native-servers
	@$(BIN)/pytest --ignore tests/house --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: test-unit
test-unit: development ## tests without servers
	@$(BIN)/pytest tests/unit

.PHONY: check
check: development ## lint, format, types, import contracts, house rules
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest tests/house --numprocesses 2

.PHONY: bench
bench: ## speed and memory as ratios: chain, normalizer, fetcher, gateway (SIZE=large: 250,000 offers and 500,000 rows instead)
	@deploy/install.sh development native-servers
ifeq ($(SIZE),large)
	@$(BIN)/python -m tests.bench.large
	@$(BIN)/python -m tests.bench.growth
else
	@$(BIN)/python -m tests.bench.chain
	@$(BIN)/python -m tests.bench.floor
	@$(BIN)/python -m tests.bench.fetching
	@$(BIN)/python -m tests.bench.gateway
endif

.PHONY: soak
soak: ## the gateway in real time: a limit over four processes, revocation, a minute of everything (about 3 minutes)
	@deploy/install.sh development native-servers
	@$(BIN)/python -m tests.bench.gateway_long

.PHONY: bench-peers
bench-peers: ## the whole chain beside dlt, which gets a virtual environment of its own (about 4 minutes)
	@deploy/install.sh development native-servers
	@$(BIN)/python -m tests.bench.peers.compare

.PHONY: crawl
crawl: ## walk 50,000 offers while 5,000 come, go and change: nothing may be missed (about 3 minutes)
	@deploy/install.sh development native-servers
	@$(BIN)/pytest tests/e2e/test_crawl_under_change.py --crawl-offers 50000 -s

.PHONY: alarms
alarms: ## a real Prometheus reads a small system, and alerts fire after faults (about a minute)
	@deploy/install.sh development native-servers prometheus
	@$(BIN)/pytest tests/e2e/test_alarms.py --alarms

.PHONY: chaos
chaos: ## the long forms: 200 kills and 12 of a broker's node, 10,000 histories in any order, 1,000 batches on the same rows (about 20 minutes)
	@deploy/install.sh development native-servers
	@$(BIN)/pytest tests/e2e/test_chaos.py --kills 200 -s
	@$(BIN)/pytest tests/e2e/test_broker_cluster.py --broker-kills 12 -s
	@$(BIN)/pytest tests/unit/normalizer/test_merge_laws.py --merge-examples 10000
	@$(BIN)/pytest tests/integration/normalizer/test_concurrency.py --hot-batches 1000

.PHONY: fuzz
fuzz: ## attack the API by its description: 200 examples of each operation, with, without and with an expired token
	@deploy/install.sh development native-servers
	@$(BIN)/pytest tests/integration/gateway/test_schemathesis.py --api-examples 200 -s

.PHONY: requirements
requirements: development ## pin requirements*.txt anew from requirements*.in
	@$(COMPILE) --output-file requirements.txt requirements.in
	@$(COMPILE) --output-file requirements-dev.txt requirements-dev.in
	@$(COMPILE) --output-file tests/bench/peers/requirements.txt tests/bench/peers/requirements.in

.PHONY: version
version: development ## write the version TO=0.2.0 to every place where it stands
	@$(BIN)/python -m tests.house.version $(TO)

.PHONY: docs
docs: development ## write docs/events.md, docs/asyncapi.json and docs/openapi.json anew from the code
	@$(BIN)/python -m tests.house.events_page
	@$(BIN)/python -m tests.house.asyncapi_page
	@$(BIN)/python -m tests.house.openapi_page
