# The front door. Everything real is in CMake presets, e2e/ and tests/; `make help` lists what is here.
.DEFAULT_GOAL := help
SHELL := /bin/bash
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
SOURCES = $(shell git ls-files '*.h' '*.cc')
# Packages once installed are not asked about again until the list changes; `make deps` can be repeated at no cost.
packages = grep -hv '^\#' $(1) | sort -u
install = set -o pipefail; missing=$$($(packages) | xargs dpkg-query -W -f '$${db:Status-Status} $${Package}\n' 2>&1 | \
  sed -n 's/^dpkg-query: no packages found matching //p; /^installed /!s/^[a-z-]* \([a-z0-9].*\)$$/\1/p'); \
  if [ -n "$$missing" ]; then sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
  $$sudo apt-get -qq -o DPkg::Lock::Timeout=300 update && \
  DEBIAN_FRONTEND=noninteractive $$sudo -E apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $$missing >/dev/null; fi

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what it takes to build and test (Debian packages; deps/apt.txt)
	@$(call install,deps/apt.txt)

deps-e2e: ## install what the end-to-end tests take besides (deps/apt-e2e.txt)
	@$(call install,deps/apt-e2e.txt)

build: deps ## build the three programs, optimised and hardened, into build/release/bin
	@cmake --preset release --log-level=WARNING && cmake --build --preset release

test: deps ## build everything with asserts, run every test
	@cmake --preset dev --log-level=WARNING && cmake --build --preset dev && ctest --preset dev --output-on-failure

demo: ## a real API server, two nodes, two TPMs: watch them obey (as root)
	@e2e/local/run.sh

e2e: ## the same, as the test that it is (as root)
	@e2e/local/run.sh

bench: deps ## admission decisions warm and cold, quote verification, beside the raw cost
	@cmake --preset bench --log-level=WARNING && cmake --build --preset bench --target bench_all && tests/bench/run.sh build/bench/bin

fuzz: deps ## run every fuzz target for SECONDS each (default 30)
	@cmake --preset fuzz --log-level=WARNING && cmake --build --preset fuzz && tests/fuzz/run.sh build/fuzz/bin $(or $(SECONDS_EACH),30)

asan: deps ## every test under the address and undefined behaviour sanitizers
	@cmake --workflow --preset asan

tsan: deps ## every test under the thread sanitizer
	@cmake --workflow --preset tsan

tidy: deps ## clang-tidy over every source
	@cmake --workflow --preset tidy

lint: deps ## layers, simple mistakes, reasons, format, shell scripts
	@python3 tests/lint/layers.py . && python3 tests/lint/mistakes.py . && python3 tests/lint/reasons.py .
	@clang-format --dry-run -Werror $(SOURCES) && echo "format: $(words $(SOURCES)) files"
	@shellcheck -x $$(git ls-files '*.sh' .ci/run) && echo "shell scripts: no findings"

format: deps ## rewrite the sources as .clang-format wants them
	@clang-format -i $(SOURCES)

clean: ## remove build/
	@rm -rf build

.PHONY: help deps deps-e2e build test demo e2e bench fuzz asan tsan tidy lint format clean
