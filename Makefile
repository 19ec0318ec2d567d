# Two commands matter: `make demo` and `make test`. Both set up everything they need.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BROWSER := $(VENV)/.browser
COMPILED := $(VENV)/.compiled
PYTEST_ARGS ?=

.PHONY: help setup demo serve stop test browser check bench relevance bench-search strength soak bench-download stripe-fixtures corpus format messages requirements environments environments-all clean

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(READY) ## Virtual environment, locked requirements, sandbox runtime

$(READY): requirements/dev.txt requirements/bootstrap.txt agent/pyproject.toml scripts/setup.sh scripts/packages.sh
	@PYTHON="$(PYTHON)" scripts/setup.sh $(VENV) $(if $(filter test browser screenshots,$(MAKECMDGOALS)),browser)
	@touch $@

demo: setup ## The main job on the real examples, as a story; exit 0 only if every line is as it must be
	@$(BIN)/python manage.py demo

serve: setup ## Web, workers and beat on this machine; prints the address and the demo logins
	@$(BIN)/python manage.py serve

stop: setup ## Stop the embedded database and broker
	@$(BIN)/python manage.py services stop

# The environments come first: on a bare machine a test would otherwise wait for a worker that is still building them.
# Meanwhile the tests are compiled and the tables made, once instead of by each test process.
test: export PYTHONDONTWRITEBYTECODE :=
test: setup browser ## All tests: embedded PostgreSQL, real broker, workers and sandboxes
	@[ -e $(COMPILED) ] || { $(BIN)/pytest --collect-only -q >/dev/null && touch $(COMPILED); } & compiling=$$!; \
	$(BIN)/keiken environments build debian-12 debian-12-data debian-12-web >/dev/null || exit 1; \
	wait $$compiling || true # what cannot be collected is told by the run itself
	@$(BIN)/pytest -n 4 --dist worksteal $(PYTEST_ARGS)

browser: $(BROWSER) ## What tests/browser drives: chromium from the system's packages, Playwright, axe-core

$(BROWSER): $(READY) requirements/browser.txt scripts/browser.sh scripts/packages.sh
	@scripts/browser.sh $(VENV)
	@touch $@

.PHONY: screenshots lighthouse
screenshots: setup browser ## Pictures of the main pages into docs/screenshots (after make demo)
	@$(BIN)/python scripts/screenshots.py

lighthouse: setup ## Performance and best practices of the first pages, at least 95 (after make demo; needs Node, chromium)
	@$(BIN)/python scripts/lighthouse.py

check: setup ## Style, types, layers, migrations, deployment settings, translations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy agent/src accounts experiences licensing marketplace
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	KEIKEN_PUBLIC_URL=https://keiken.example $(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python scripts/messages.py --check

bench-download: setup ## What a licensed download costs, as ratios within one run (needs wrk; nginx and Verdaccio where they are)
	@$(BIN)/python scripts/bench_download.py $(BENCH_ARGS)

stripe-fixtures: setup ## Hold the tests' double of Stripe against Stripe's own objects: make stripe-fixtures FIXTURES=FILE
	@test -n "$(FIXTURES)" || { echo "Name the file: make stripe-fixtures FIXTURES=fixtures3.json"; exit 1; }
	@$(BIN)/python scripts/stripe_fixtures.py "$(FIXTURES)"

strength: setup ## Grade the checks of all examples: every wrong effect there is, who noticed, what survived
	@$(BIN)/python scripts/strength.py

soak: setup ## A farm that is abused while it works: kill -9, lost messages, a database that restarts; prints the count
	@$(BIN)/python scripts/soak.py $(SOAK_ARGS)

relevance: setup ## How well a search orders what it finds: nDCG@10 over the judged queries, and the worst of them
	@$(BIN)/pytest -q -s -p no:xdist tests/experiences/test_relevance.py

bench-search: setup ## What a search costs at 10,000, 100,000 and 1,000,000 versions, also as a ratio within the run
	@$(BIN)/python scripts/bench_search.py $(BENCH_ARGS)

bench: setup ## What proving costs, as ratios taken in one run on this machine (not a test)
	@$(BIN)/python scripts/bench.py

corpus: setup ## Try the package rules on the Agent Skills below a folder: make corpus CORPUS=FOLDER
	@test -n "$(CORPUS)" || { echo "Name the folder: make corpus CORPUS=FOLDER"; exit 1; }
	@$(BIN)/python scripts/corpus.py "$(CORPUS)"

format: setup ## Put the code into the agreed style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

messages: setup ## Collect the texts to translate and compile the translations
	$(BIN)/python scripts/messages.py

environments: setup ## Build the sandbox environments (made once, kept in the cache)
	$(BIN)/keiken environments build

environments-all: setup ## Build the large environments too (browser, Python, Japanese) and prove that they work
	$(BIN)/keiken environments build --all
	$(BIN)/pytest -q agent/tests/environments_all.py

requirements: setup ## Compile the lock files anew (with hashes, without registry addresses)
	$(BIN)/python scripts/lock.py

clean: stop ## Remove the virtual environment; data stay where they are
	rm -rf $(VENV)
