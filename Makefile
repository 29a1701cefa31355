# ngage: `make demo` shows it, `make test` proves it, `make` lists the rest.
#
# Set-up steps leave a stamp in .stamps, so a second run starts at once; a change in the core's
# sources or in the build files builds anew. PYTHON picks the interpreter (3.11 or later).

VENV := .venv
BIN := $(VENV)/bin
STAMPS := .stamps
ASAN := build/asan/lib
CORE := $(wildcard src/ngage_core/*.py* src/ngage_core/*.pxd src/ngage_core/include/*.h)
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
# Most of a test is waiting. The tests of a file stay in one worker, for what they share, and those
# directories come first whose files take longest.
SPREAD := -n $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder
# A whole suite: what drives a browser, one after the other, for two at a time have too little of a
# small machine; beside it the rest; then what needs the machine to itself.
SUITE = $(MAKE) --no-print-directory -j 2 -O suite-browser suite-rest MARKED="$(1)" \
    && $(PYTEST) -m "$(1) and alone" tests
CONFORMANCE ?= ../shared/tools/conformance.sh
export CONFORMANCE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

.PHONY: help setup build demo test lint bench peers million asan conformance ci clean
.PHONY: suite-browser suite-rest

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 20

setup: $(STAMPS)/test $(STAMPS)/lint ## everything a developer needs, in .venv

build: $(STAMPS)/build ## the compiled core and ngage itself, in .venv

demo: $(STAMPS)/video ## a live event on this machine, until Ctrl-C
	@$(BIN)/ngage-edge --demo

test: $(STAMPS)/test ## the test suite; WORKERS=2 take what drives no browser
	$(call SUITE,not slow and not conformance)

lint: $(STAMPS)/lint ## style, types, shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(BIN):$$PATH" $(BIN)/cython-lint --max-line-length 100 src bench tests
	$(BIN)/mypy
	$(BIN)/shellcheck tools/*.sh tuning/*.sh .ci/run

bench: $(STAMPS)/bench ## the figures of bench/README.md against their baselines; STORE=add stores
	$(PYTEST) bench $(if $(STORE),--store-baseline $(STORE))

peers: $(STAMPS)/peers ## other broadcast servers beside ngage, into bench/RESULTS.md
	$(BIN)/python -m bench.peers --write

million: $(STAMPS)/build ## a million fans beside the floor, as root; N=, WRITE=1 for RESULTS.md
	$(BIN)/python -m bench.scale --fans $(or $(N),1000000) $(if $(WRITE),--write)

SANITIZED = env \
    LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" \
    ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
    PYTHONPATH=$(ASAN) HYPOTHESIS_PROFILE=short $(PYTEST) -p no:cacheprovider
OF_CORE := not browser and not slow and not conformance and not memory
NOT_OF_CORE := mobsim mob_votes capacity rtmp rtmp_peers studio studio_command renditions hls \
    peers levers events centrifuge_sdks
TESTS_OF_CORE := $(NOT_OF_CORE:%=--ignore tests/integration/test_%.py) \
    tests/unit/ngage_core tests/property tests/faults tests/integration

asan: $(STAMPS)/test $(STAMPS)/asan ## the tests of the core, on one built with ASan and UBSan
	$(SANITIZED) $(SPREAD) -m "$(OF_CORE) and not alone" $(TESTS_OF_CORE)
	$(SANITIZED) -m "$(OF_CORE) and alone" $(TESTS_OF_CORE)

conformance: $(STAMPS)/test ## the Autobahn cases; CONFORMANCE=its runner, TIER=quick|limits|full
	$(PYTEST) -m conformance tests/conformance

ci: export NGAGE_WERROR := 1
ci: export HYPOTHESIS_PROFILE ?= ci
ci: ## what every commit must pass
	$(MAKE) lint
	$(MAKE) asan
	$(MAKE) $(STAMPS)/test
	$(call SUITE,not slow)

suite-browser:
	$(PYTEST) -m "$(MARKED) and browser" tests

suite-rest:
	$(PYTEST) $(SPREAD) -m "$(MARKED) and not browser and not alone" tests

clean: ## remove whatever these targets made
	rm -rf build dist $(STAMPS) $(VENV) tests/node/node_modules src/*.egg-info
	rm -f src/ngage_core/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Set-up, step by step.

$(STAMPS)/venv: tools/bootstrap.sh
	VENV=$(VENV) sh tools/bootstrap.sh build
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/build: $(STAMPS)/venv setup.py pyproject.toml $(CORE)
	$(PIP) --group build
	$(PIP) --no-build-isolation -e .
	@touch $@

$(STAMPS)/video: $(STAMPS)/build
	@$(PIP) --no-build-isolation -e '.[video]' \
	    || echo "make: no PyAV for this machine: the demo runs without its picture" >&2
	@touch $@

$(STAMPS)/system-test: tools/bootstrap.sh
	sh tools/bootstrap.sh test
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/system-peers: tools/bootstrap.sh
	sh tools/bootstrap.sh peers \
	    || echo "make: peers whose tools are missing are skipped by name" >&2
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/node: $(STAMPS)/system-test tests/node/package.json
	npm install --prefix tests/node --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

$(STAMPS)/test: $(STAMPS)/video $(STAMPS)/node
	$(PIP) --group test
	@touch $@

$(STAMPS)/lint: $(STAMPS)/video
	$(PIP) --group lint --group test
	@touch $@

$(STAMPS)/bench: $(STAMPS)/build
	$(PIP) --group bench
	@touch $@

$(STAMPS)/peers: $(STAMPS)/build $(STAMPS)/system-peers $(STAMPS)/node
	$(PIP) --group peers
	@touch $@

$(STAMPS)/asan: $(STAMPS)/build
	NGAGE_BUILD=asan $(BIN)/python setup.py -q build_ext \
	    --build-lib $(ASAN) --build-temp build/asan/temp
	cp src/ngage_core/*.py $(ASAN)/ngage_core/
	@touch $@
