# The front door. Everything real is in CMake presets, e2e/ and tests/; `make help` lists what is here.
.DEFAULT_GOAL := help
SHELL := /bin/bash
SOURCES = $(shell git ls-files '*.h' '*.cc')
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

deps: ## install what it takes to build and test (Debian packages; deps/apt*.txt)
	@deps/install.sh deps/apt-build.txt deps/apt.txt

build: deps ## build the three programs, optimised and hardened, into build/release/bin
	@cmake --preset release --log-level=WARNING >/dev/null && cmake --build --preset release

test: deps ## build everything with asserts, run every test
	@cmake --preset dev --log-level=WARNING >/dev/null && cmake --build --preset dev && ctest --preset dev --output-on-failure

demo: ## a real API server, three nodes, TPMs, Gatehouse installed by helm: watch them obey (as root)
	@e2e/local/run.sh

e2e: ## the same, as the test that it is (as root)
	@e2e/local/run.sh

e2e-kind: ## the same cases on a cluster of kind (as root; docker, kind, helm, cosign, swtpm)
	@e2e/kind/run.sh

bench: deps ## admission decisions warm and cold, quote verification, beside the raw cost
	@cmake --preset bench --log-level=WARNING >/dev/null && cmake --build --preset bench --target bench_all && tests/bench/run.sh build/bench/bin

fuzz: deps ## run every fuzz target for SECONDS_EACH seconds (30)
	@cmake --preset fuzz --log-level=WARNING >/dev/null && cmake --build --preset fuzz && tests/fuzz/run.sh build/fuzz/bin $(or $(SECONDS_EACH),30)

asan: deps ## every test under the address and undefined behaviour sanitizers
	@cmake --workflow --preset asan

tsan: deps ## every test under the thread sanitizer
	@cmake --workflow --preset tsan

tidy: deps ## clang-tidy over every source
	@cmake --workflow --preset tidy

lint: deps ## layers, simple mistakes, reasons, format, shell scripts
	@python3 tests/lint/layers.py . && python3 tests/lint/mistakes.py . && python3 tests/lint/reasons.py .
	@clang-format --dry-run -Werror $(SOURCES) && echo "format: $(words $(SOURCES)) files"
	@shellcheck -x -S warning $$(git ls-files '*.sh' .ci/run) && echo "shell scripts: no findings"

format: deps ## rewrite the sources as .clang-format wants them
	@clang-format -i $(SOURCES)

image: ## the image of the three programs as an OCI archive, IMAGE_ARCHIVE=FILE (as root; buildah, no docker)
	@deps/install.sh deps/apt-image.txt && deploy/image.sh $(or $(IMAGE_ARCHIVE),build/gatehouse-image.tar)

chart: deps ## check the Helm chart and the manifests that are made from it
	@tests/deploy/check.sh

chart-live: build ## install the chart into a real API server, run the programs with its rights (as root; after make e2e)
	@tests/deploy/lifecycle.sh && GATEHOUSE_BIN=$(CURDIR)/build/release/bin tests/deploy/programs.sh

manifests: deps ## make deploy/manifests from the chart anew
	@deploy/manifests/render.sh

clean: ## remove build/
	@rm -rf build

.PHONY: help deps build test demo e2e e2e-kind bench fuzz asan tsan tidy lint format image chart chart-live manifests clean
