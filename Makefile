# Every command installs what is missing first; a second run installs nothing and rebuilds only what
# changed. Works as root and with sudo.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: help deps build build-all install package run cluster test bench sanitize sanitize-thread fuzz fuzz-build soak format

DEPS := $(or $(TROUPE_DEPS),$(HOME)/.cache/troupe/deps)
export TROUPE_DEPS := $(DEPS)
export TROUPE_CAF := $(DEPS)/caf-0.18.7
JOBS := $(or $(JOBS),$(shell nproc))

# configure-and-build(PRESET, TARGETS): quiet unless something is wrong.
define configure-and-build
	@mkdir -p build
	@cmake --preset $(1) >build/$(1).configure.log 2>&1 || { cat build/$(1).configure.log; exit 1; }
	@cmake --build --preset $(1) -j $(JOBS) $(2)
endef

help:
	@echo "make run        the demo: an emulated Telegram, one node, bots and users; Ctrl-C ends it"
	@echo "make cluster    three nodes as one, with etcd and PostgreSQL, on loopback; Ctrl-C ends it"
	@echo "make test       everything that is tested"
	@echo "make build      the programs, in build/release/bin; build-all: tests and benchmarks too"
	@echo "make install    programs, unit, examples, documents below PREFIX (/usr/local), DESTDIR before it"
	@echo "make package    a Debian package, build/package/troupe_*.deb (docs/deployment.md)"
	@echo "make bench      measurements against nginx and the upstream, build/bench/results.json"
	@echo "make sanitize   the tests under AddressSanitizer and UBSan; sanitize-thread: under TSan"
	@echo "make fuzz       libFuzzer on what comes from outside, FUZZ_SECONDS (600) for each target"
	@echo "make soak       a node at work and in trouble, SOAK_SECONDS (600); memory and descriptors at both ends; then fresh seeds of the simulation"
	@echo "make format     clang-format over our sources"

deps:
	@.ci/dependencies

build: deps
	$(call configure-and-build,release,--target programs)

build-all: deps
	$(call configure-and-build,release,--target all)

install: build
	@DESTDIR="$(DESTDIR)" cmake --install build/release --prefix "$(or $(PREFIX),/usr/local)" --component program --strip >build/install.log

package: build
	@cpack --config build/release/CPackConfig.cmake -B build/package >build/package.log || { cat build/package.log; exit 1; }
	@ls build/package/*.deb

run: build
	@tests/demo/run build/release/bin

cluster: build
	@tests/cluster/run build/release/bin

test: build-all fuzz-build
	@cd build/release && ctest --output-on-failure --no-tests=error -j 1

bench: build-all
	@node tests/benchmarks/run.mjs build/release/bin build/bench

# The C++ tests; CAF itself is not instrumented (its release build serves), which AddressSanitizer
# allows and ThreadSanitizer does not: that one brings a CAF of its own.
sanitize: deps
	$(call configure-and-build,asan,)
	@cd build/asan && ctest --output-on-failure --no-tests=error -E '^(acceptance|demo|structure|fuzz|soak)$$'

sanitize-thread: deps
	@TROUPE_CAF_SANITIZER=thread .ci/dependencies
	@export TROUPE_CAF=$(DEPS)/caf-0.18.7-thread; mkdir -p build; \
	  cmake --preset tsan >build/tsan.configure.log 2>&1 || { cat build/tsan.configure.log; exit 1; }; \
	  cmake --build --preset tsan -j $(JOBS)
	@cd build/tsan && ctest --output-on-failure --no-tests=error -E '^(acceptance|demo|structure|fuzz|soak)$$'

# Instrumented by clang; `make test` runs the same programs for some seconds.
fuzz-build: deps
	$(call configure-and-build,fuzz,)

fuzz: fuzz-build
	@tests/fuzz/run long build/fuzz/bin $(or $(FUZZ_SECONDS),600)

soak: build-all
	@tests/soak/run build/release/bin $(or $(SOAK_SECONDS),600)
	@tests/simulation/run build/release/bin $(or $(SOAK_SECONDS),600)

format: deps
	@git ls-files '*.cpp' '*.hpp' | xargs clang-format -i
