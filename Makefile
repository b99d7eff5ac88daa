# Needs only Python 3.11 or newer, git and make. `make run PYTHON=/path/to/python` names another Python.
.PHONY: run test chaos bench lint ruff types contracts django bandit audit shell clean lock runtime development comparison chromium rabbitmq

PYTHON_OF_PROJECT := .venv/bin/python
PACKAGES := events sagas orders inventory payments notifications orderproject
STACK_DATA_DIR ?= var/stack
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# For tools that load the settings and need no server.
NOWHERE := ENVIRONMENT=test DATABASE_URL=postgres://nobody@127.0.0.1:9/none \
	REDIS_URL=redis://127.0.0.1:9/0 BROKER_URL=redis://127.0.0.1:9/0

run: runtime
	@exec $(PYTHON_OF_PROJECT) -m orderproject.stack

test: development chromium rabbitmq
	$(PYTHON_OF_PROJECT) -m pytest -n auto --maxprocesses 4 --dist loadfile

lint: ruff types contracts django bandit

# Faults under load, with everything reconciled; CHAOS="--rounds 10 --broker rabbitmq" says how.
chaos: development rabbitmq
	$(PYTHON_OF_PROJECT) -m tests.chaos $(CHAOS)

# Ours beside its peers, on two cores; bench/RESULTS.md tells of it. QUICK=1 takes three minutes, SCENARIOS="storm drain"
# says what, ROUNDS=3 how often.
bench: comparison rabbitmq
	$(PYTHON_OF_PROJECT) -m bench $(SCENARIOS) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

ruff: development
	$(PYTHON_OF_PROJECT) -m ruff check .
	$(PYTHON_OF_PROJECT) -m ruff format --check .

types: development
	$(NOWHERE) $(PYTHON_OF_PROJECT) -m mypy .

contracts: development
	$(NOWHERE) $(PYTHON_OF_PROJECT) .venv/bin/lint-imports

django: development
	@# Without a database, or Django would wait for it to compare histories.
	$(NOWHERE) DATABASE_URL= PYTHONWARNINGS=ignore $(PYTHON_OF_PROJECT) manage.py makemigrations --check --dry-run
	$(NOWHERE) $(PYTHON_OF_PROJECT) manage.py check

bandit: development
	$(PYTHON_OF_PROJECT) -m bandit --quiet --configfile pyproject.toml --recursive $(PACKAGES) manage.py

# What is known against the versions that we run. It asks PyPI, so it needs the network, and is no part of lint; where
# an answer is missing it fails instead of counting that as a good one.
audit: development
	$(PYTHON_OF_PROJECT) -m pip_audit --strict --disable-pip --require-hashes \
		--requirement requirements.txt --requirement requirements-dev.txt

# Django's shell on the running stack.
shell: runtime
	@test -f "$(STACK_DATA_DIR)/environment" || { echo "No stack runs on $(STACK_DATA_DIR): start one with make run."; exit 1; }
	@. "$(STACK_DATA_DIR)/environment" && exec $(PYTHON_OF_PROJECT) manage.py shell

# The data of the stack stay.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles var/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH (pip install uv)."; exit 1; }
	uv $(COMPILE) requirements.in -o requirements.txt
	uv $(COMPILE) requirements-dev.in -o requirements-dev.txt
	uv $(COMPILE) requirements-bench.in -o requirements-bench.txt

runtime:
	@.ci/setup requirements.txt

development:
	@.ci/setup requirements.txt requirements-dev.txt

comparison:
	@.ci/setup requirements.txt requirements-dev.txt requirements-bench.txt

chromium:
	@.ci/chromium

rabbitmq:
	@.ci/rabbitmq
