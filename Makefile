.PHONY: help demo test check suites bench soak tools fuzz fuzz-smoke

help: ## what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:[^#]*## /\t/'

demo: ## a shop full of mistakes behind pgscope, until Ctrl-C (DEMO_ONCE=1: end by itself, 0 if all were found)
	@echo "==> building pgscope"
	@cargo build --release --bin pgscope
	@exec python3 tests/e2e/demo.py

test: ## check, cargo's tests, end to end, heavy, the short ones of the suites
	@exec python3 tests/e2e/suite.py test

check: ## format, clippy, the package, licences, sources, advisories (the last three with cargo-deny)
	@exec python3 tests/e2e/suite.py check

suites: ## other people's tests through pgscope, all of them; takes hours
	@exec python3 tests/e2e/suite.py suites

tools: ## installs cargo-deny and cargo-fuzz where they are missing
	@exec python3 tests/e2e/suite.py tools

bench: ## criterion, then the overhead against direct, HAProxy, PgBouncer and a bare relay, with marks; an hour
	@exec python3 tests/e2e/suite.py bench

soak: ## 50 times 40 MB over TLS, 100,000 connections, 10 minutes of faults: 20 minutes together
	@cargo build --release --bin pgscope
	@python3 tests/e2e/tls.py --only bulk --rounds 50
	@exec python3 tests/heavy/soak.py

FUZZ_SECONDS ?= 3600

fuzz: ## cargo-fuzz, each target of tests/fuzz for FUZZ_SECONDS (3600); installs cargo-fuzz where it is missing
	@command -v cargo-fuzz >/dev/null || { echo "==> installing cargo-fuzz"; cargo install --locked cargo-fuzz; }
	@exec python3 tests/fuzz/run.py $(FUZZ_SECONDS)

fuzz-smoke: ## the same for a minute each, as a part of make test
	@exec python3 tests/fuzz/run.py smoke
