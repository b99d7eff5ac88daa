# Needs only Python 3.11 or newer, git and make. `make run PYTHON=/path/to/python` names another Python.
.PHONY: run test chaos chaos-wires bench debezium lint ruff types contracts django bandit audit wheel shell clean lock runtime development comparison chromium rabbitmq node prometheus alerts

PYTHON_OF_PROJECT := .venv/bin/python
PACKAGES := $(filter-out bench tests,$(patsubst %/__init__.py,%,$(wildcard */__init__.py)))
STACK_DATA_DIR ?= var/stack
COMPILE := pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
# The environment of tools that load the settings and need no server.
NOWHERE := ENVIRONMENT=test DATABASE_URL=postgres://nobody@127.0.0.1:9/none \
	REDIS_URL=redis://127.0.0.1:9/0 BROKER_URL=redis://127.0.0.1:9/0

run: runtime
	@exec $(PYTHON_OF_PROJECT) -m orderproject.stack

test: development chromium rabbitmq node prometheus
	$(PYTHON_OF_PROJECT) -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: ruff types contracts django bandit

# Injects faults under load and reconciles all data. Options: CHAOS="--rounds 10 --broker rabbitmq".
chaos: development rabbitmq
	$(PYTHON_OF_PROJECT) -m tests.chaos $(CHAOS)

# The same at the wires that carry the log to brokers: `make chaos-wires CHAOS="--wire kafka --faults 200"`.
chaos-wires: development rabbitmq
	$(PYTHON_OF_PROJECT) -m tests.chaos.wires $(CHAOS)

# An hour of normal load, then every fault, watched by Prometheus: prints how long each alert took.
alerts: development prometheus
	$(PYTHON_OF_PROJECT) -m tests.alerts

# Compares this project with its peers on two cores and writes bench/RESULTS.md. QUICK=1 takes three to five minutes;
# SCENARIOS="storm drain" selects scenarios, ROUNDS=3 sets the number of rounds.
bench: comparison rabbitmq
	$(PYTHON_OF_PROJECT) -m bench $(SCENARIOS) $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS))

# Compares what Debezium sends with what our publisher sends, record by record. Needs Java 17 or newer.
debezium: development
	@.ci/debezium
	$(PYTHON_OF_PROJECT) -m bench.debezium $(DEBEZIUM)

ruff: development
	$(PYTHON_OF_PROJECT) -m ruff check .
	$(PYTHON_OF_PROJECT) -m ruff format --check .

types: development
	$(NOWHERE) $(PYTHON_OF_PROJECT) -m mypy .

contracts: development
	$(NOWHERE) $(PYTHON_OF_PROJECT) .venv/bin/lint-imports

django: development
	@# DATABASE_URL is empty, because otherwise Django would connect to compare the migration history.
	$(NOWHERE) DATABASE_URL= PYTHONWARNINGS=ignore $(PYTHON_OF_PROJECT) manage.py makemigrations --check --dry-run
	$(NOWHERE) $(PYTHON_OF_PROJECT) manage.py check

bandit: development
	$(PYTHON_OF_PROJECT) -m bandit --quiet --configfile pyproject.toml --recursive $(PACKAGES) manage.py

# Checks the installed versions for known vulnerabilities. It queries PyPI and needs the network, so it is not part of
# lint. It fails if PyPI does not answer.
audit: development
	$(PYTHON_OF_PROJECT) -m pip_audit --strict --disable-pip --require-hashes \
		--requirement requirements.txt --requirement requirements-dev.txt

# The kernel as a wheel in dist/, for another project: kernel/README.md says how to use it.
wheel: development
	$(PYTHON_OF_PROJECT) -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist ./kernel

# Django's shell on the running stack.
shell: runtime
	@test -f "$(STACK_DATA_DIR)/environment" || { echo "No stack runs on $(STACK_DATA_DIR). Start one with make run."; exit 1; }
	@. "$(STACK_DATA_DIR)/environment" && exec $(PYTHON_OF_PROJECT) manage.py shell

# Removes caches and the environment, but not the data of the stack.
clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis staticfiles var/static
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock:
	@command -v uv >/dev/null || { echo "make lock needs uv on the PATH (pip install uv)."; exit 1; }
	uv $(COMPILE) requirements.in -o requirements.txt
	uv $(COMPILE) requirements-dev.in -o requirements-dev.txt
	uv $(COMPILE) requirements-bench.in -o requirements-bench.txt
	uv $(COMPILE) bench/debezium/requirements.in -o bench/debezium/requirements.txt
	uv $(COMPILE) kernel/pyproject.toml examples/library/requirements.in -o examples/library/requirements.txt

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

node:
	@.ci/node

prometheus:
	@.ci/prometheus
