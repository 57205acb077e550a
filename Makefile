# SPDX-License-Identifier: Apache-2.0
# A thin front: what a maintainer types. Meson does the work.
.PHONY: all check unit asan growth hostile flakes fuzz mutants vm format conformance bench clean help
all:            ## build build/stead and build/time-server
	@scripts/build
check:          ## all tests, as CI runs them
	@scripts/test
unit:           ## unit and wire tests and a short simulation, without sanitizers, in build-unit/
	@scripts/test --unit-only
asan:           ## unit, wire, sim, corpus and fault tests under ASan and UBSan, in build-asan/
	@scripts/test --sanitize-only
hostile:        ## every field of every kind, wrong in every way, by every verb and in every format (an hour)
	@scripts/hostile
flakes:         ## all suites ten times, idle and under load; names what failed (hours; ARGS="--runs 3 --suites unit")
	@scripts/flakes $(ARGS)
growth:         ## counts work for inputs that double, in build-growth/
	@STEAD_TARGETS=growth scripts/build build-growth -Dcount_work=true -Doptimization=1
	@PATH=/usr/bin:$$PATH meson test -C build-growth --no-rebuild --print-errorlogs
fuzz:           ## libFuzzer targets in build-fuzz/ (needs clang)
	@CC=clang STEAD_TARGETS=fuzzers scripts/build build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
mutants:        ## breaks the code in 300 random places and lists what no test notices (docs/testing.md; 20 minutes of one core)
	@nice -n 19 tools/mutate --known tests/sim/broken_rules.json --suites sim
	@nice -n 19 tools/mutate --seed 2026 --count 50 --out build-mutate/results \
		src/control src/store src/codec src/server src/api src/node
conformance:    ## Kubernetes' own Conformance cases, compared with docs/conformance.md (an hour and a half; ARGS="--only DNS")
	@tools/get_clients kubectl e2e.test agnhost sample-apiserver etcd && scripts/build build -Dtests=false && tests/conformance/run $(ARGS)
vm:             ## tests in a virtual machine with Debian 13's kernel, cgroup v2 and systemd (docs/testing.md; ARGS="-k limits")
	@scripts/vm test $(ARGS)
format:         ## format all C files
	@git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i
bench:          ## the benchmarks, side by side where the peer is there
	@bench/run
clean:          ## remove the build folders
	@rm -rf build build-asan build-unit build-fuzz build-growth build-mutate
help:           ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | column -t -s "$$(printf '\t')"
