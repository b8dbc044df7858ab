# Every command here installs what is missing first; a second run installs nothing.
CAF_DIR := $(or $(TROUPE_DEPS),$(HOME)/.cache/troupe/deps)/caf-0.18.7
export TROUPE_CAF = $(CAF_DIR)

.PHONY: build test run bench sanitize format deps soak fuzz

deps:
	@.ci/dependencies

build: deps
	@cmake --preset release >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }; rm -f build.log
	@cmake --build --preset release
