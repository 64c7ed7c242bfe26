# Each target makes what it needs on a fresh machine: `make demo` and `make test` want Python 3.10+ alone.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
unexport PYTHONDONTWRITEBYTECODE  # every command that a test starts would compile the whole package again

.PHONY: demo docs test test-board test-sanitize test-slow test-learn test-pythons coverage test-toolchain lint bench clean

demo: $(VENV)/.edgekit-host  ## the whole way on shipped material, on the simulated device
	$(BIN)/edgekit demo -o demo_out

test: $(VENV)/.edgekit-dev lint  ## ruff, mypy and the tests
	$(BIN)/pytest -q -n auto --dist loadscope

lint: $(VENV)/.edgekit-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-board: ## the board ring under Python 3.10 with numpy 1.26 and cv2, everything else refused
	PYTHON310=$(PYTHON310) sh tools/test_board_ring.sh

test-sanitize: $(VENV)/.edgekit-dev  ## the kernels under AddressSanitizer and UndefinedBehaviorSanitizer, hostile graphs too
	BIN=$(BIN) sh tools/test_sanitize.sh

test-pythons: ## the tests under Python 3.10 to 3.13, as far as they are here: make test-pythons PYTHONS="3.10 3.13"
	sh tools/test_pythons.sh $(PYTHONS)

coverage: $(VENV)/.edgekit-dev  ## line coverage of the arithmetic (ops, decode, sim) by its own tests, with a floor
	EDGEKIT_REQUIRE_KERNELS=1 $(BIN)/pytest -q -n auto --dist loadscope tests/ops tests/decode tests/sim \
		--cov edgekit.ops --cov edgekit.decode --cov edgekit.sim --cov-report term:skip-covered --cov-fail-under 90

test-slow: $(VENV)/.edgekit-dev  ## full accuracy runs over the shared images
	$(BIN)/pytest -q -m slow

test-learn: $(VENV)/.edgekit-dev  ## what needs torch: put its CPU build into the environment first, else pip takes a large one
	$(BIN)/pip install -q -e '.[learn]'
	$(BIN)/pytest -q tests/learn tests/tuning/test_learning.py

test-toolchain: $(VENV)/.edgekit-dev  ## the vendor's real compiler: installs it (2.7 GB), compiles, compares
	$(BIN)/edgekit toolchain install --yes
	$(BIN)/pytest -q -m toolchain

docs: $(VENV)/.edgekit-docs  ## the documentation site, into site/; a warning is an error
	$(BIN)/python tools/make_diagrams.py --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.edgekit-dev  ## make bench NAME=sim
	$(BIN)/python tools/bench.py $(NAME)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.edgekit-host: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[host]'
	touch $@

$(VENV)/.edgekit-dev: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[dev]'
	touch $@ $(VENV)/.edgekit-host

$(VENV)/.edgekit-docs: pyproject.toml | $(VENV)/bin/python
	$(BIN)/pip install -q -e '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) site demo_out build dist *.egg-info
