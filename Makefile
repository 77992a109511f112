# Everything a developer runs. `make` alone lists it. Needs Python 3.11 or newer and make; it brings its own PostgreSQL.

VENV ?= .venv
PYTHON ?=
BIN := $(VENV)/bin
PYTHONS := python3.13 python3.12 python3.11 python3
TEMPLATES = $(shell find templates */templates -name '*.html' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help venv demo run site-down site-up manage test chaos interleavings bench lint format lock schema messages psql screenshots

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PORT=3001 make demo          another port (DEMO_SITES_PORT=4101 for the sample sites)"
	@echo "  DATABASE_URL=… make run      another PostgreSQL than the embedded one"
	@echo "  PYTHON=/path/to/python3 make venv VENV=/path/to/venv"

demo: $(VENV)/.installed ## Run the hub with sample users and four sample sites, at http://localhost:3000
	@$(BIN)/python -m ssodash.up --demo

run: $(VENV)/.installed ## Run the hub without samples
	@$(BIN)/python -m ssodash.up

site-down: ## Stop a sample site of `make demo` and keep it down: make site-down SITE=sales
	@$(known_sample_site)
	@touch $${VAR_DIR:-var}/demo/$(SITE).stopped && echo "$(SITE) goes down. Back again: make site-up SITE=$(SITE)"

site-up: ## Start that sample site again: make site-up SITE=sales
	@$(known_sample_site)
	@rm -f $${VAR_DIR:-var}/demo/$(SITE).stopped && echo "$(SITE) comes back."

manage: $(VENV)/.installed ## Run a command on the hub's database: make manage ARGS="sync_status"
	@$(BIN)/python -m ssodash.embedded run -- $(BIN)/python manage.py $(ARGS)

psql: $(VENV)/.installed ## Open a SQL console on the hub's database
	@$(BIN)/python -m ssodash.embedded psql

# Hundreds of programs are started; each would compile all our code where the environment has Python keep no bytecode.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/.installed-dev ## Run all tests (ARGS="-k name" for some of them)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

chaos: $(VENV)/.installed-dev ## Kill workers, web servers and PostgreSQL for ten minutes and more (CHAOS_SEED=7 repeats a run)
	@CHAOS=long $(BIN)/python -m pytest -q tests/chaos $(ARGS)

interleavings: $(VENV)/.installed-dev ## 10,000 random orders of edits, claims, answers and crashes on the real database (twenty minutes to three quarters of an hour)
	SSODASH_INTERLEAVINGS=10000 $(BIN)/python -m pytest -q -n 2 --dist load tests/sync/test_interleavings.py $(ARGS)

bench: $(VENV)/.installed ## Measure how fast it delivers; needs nginx and wrk (ARGS="single pushes" for some of it)
	@$(BIN)/python -m tests.bench $(ARGS)

# The values only have to be well-formed: what needs a database gets one of its own below.
lint: export SECRET_KEY = a-key-for-checks-only-that-is-long-and-varied-enough-0123456789
lint: export DATABASE_URL = postgresql://nobody@127.0.0.1:1/none
lint: export DEBUG = false
lint: export HTTPS = true
lint: $(VENV)/.installed-dev ## Check style, templates, types, imports, migrations, deployment settings, schema file
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(if $(TEMPLATES),$(BIN)/djade --target-version 5.2 --check $(TEMPLATES))
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m ssodash.catalogs --check
	$(BIN)/python manage.py check --deploy --fail-level WARNING
	$(BIN)/python -m ssodash.embedded run --throwaway -- sh -ec '\
		$(BIN)/python manage.py makemigrations --check --dry-run; \
		$(BIN)/python manage.py export_schema --check'

format: $(VENV)/.installed-dev ## Put code and templates in shape
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(if $(TEMPLATES),$(BIN)/djade --target-version 5.2 $(TEMPLATES))

schema: export SECRET_KEY = only-for-writing-the-schema-file
schema: $(VENV)/.installed ## Write user-sync-schema.sql from the migrations
	$(BIN)/python -m ssodash.embedded run --throwaway -- $(BIN)/python manage.py export_schema

messages: $(VENV)/.installed-dev ## Bring the translations in locale/ to the state of the code, and name what is not translated
	$(BIN)/python -m ssodash.catalogs

screenshots: $(VENV)/.installed-dev ## Take the pictures in docs/images anew (needs Chromium)
	$(BIN)/python -m tests.e2e.screenshots

lock: $(VENV)/.installed-dev ## Pin the newest allowed versions in requirements.txt and requirements-dev.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --universal --python-version 3.11 --upgrade --quiet requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --upgrade --quiet requirements-dev.in -c requirements.txt -o requirements-dev.txt

venv: $(VENV)/.installed ## Make the virtual environment from the pinned requirements.txt

# The stamps are newer than the lists they stand for, and written last: an installation cut short is done again.
$(VENV)/.installed: requirements.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { $(find_python); rm -rf $(VENV); "$$python" -m venv $(VENV); }
	@echo "Installing requirements.txt into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing requirements-dev.txt into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# Ends with the names there are where SITE is not one of them.
define known_sample_site
	folder=$${VAR_DIR:-var}/demo; \
	if [ -z "$(SITE)" ] || [ ! -f "$$folder/$(SITE).secret" ]; then \
		names=$$(ls "$$folder" 2>/dev/null | sed -n 's/\.secret$$//p' | tr '\n' ' '); \
		if [ -n "$$names" ]; then echo "$(if $(SITE),There is no sample site '$(SITE)'.,Name a sample site with SITE=….) Those of this demo: $${names% }." >&2; \
		else echo "No demo was started here: $$folder has no sample sites. Start one with \`make demo\`." >&2; fi; \
		exit 2; \
	fi
endef

# Sets $python to the first one that is new enough and can make virtual environments, or ends with what is missing.
define find_python
	python=; tried=; \
	for candidate in $(or $(PYTHON),$(PYTHONS)); do \
		"$$candidate" -c 'import sys' >/dev/null 2>&1 || continue; \
		tried="$$tried $$candidate"; \
		"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue; \
		"$$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1 || { no_venv=$$candidate; continue; }; \
		python=$$candidate; break; \
	done; \
	if [ -z "$$python" ] && [ -n "$$no_venv" ]; then \
		echo "$$no_venv cannot make virtual environments: its venv module is missing. On Debian and Ubuntu: sudo apt-get install -y python3-venv" >&2; exit 1; \
	elif [ -z "$$python" ]; then \
		echo "Python 3.11 or newer is needed; found:$${tried:- none}. Install one, or name yours: make PYTHON=/path/to/python3" >&2; exit 1; \
	fi
endef
