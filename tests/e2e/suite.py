"""`make check`, `make test` and `make bench`: steps with a header and the time, all of them run, a last line with the sum.

Usage: suite.py check|test|bench
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = time.monotonic()
PYTHON = sys.executable


def cargo(*words):
    return ["cargo", *words]


def has(subcommand):
    return shutil.which(f"cargo-{subcommand}") is not None


def check():
    """(title, command or None, reason to skip)."""
    yield "format", cargo("fmt", "--check"), None
    yield "clippy", cargo("clippy", "--all-targets", "--", "-D", "warnings"), None
    for tool, words in (("deny", ["deny", "check", "licenses", "bans", "sources"]), ("audit", ["audit"])):
        if has(tool):
            yield tool, cargo(*words), None
        else:
            yield tool, None, f"cargo-{tool} is not installed"


def test():
    yield from check()
    if has("nextest"):
        yield "tests", cargo("nextest", "run", "--no-fail-fast"), None
        # nextest runs no documentation tests.
        yield "documentation tests", cargo("test", "--doc"), None
    else:
        yield "tests", cargo("test"), None
    yield "release build", cargo("build", "--release", "--bins", "--examples"), None
    yield "matrix", [PYTHON, "tests/e2e/run.py"], None
    yield "pg_stat_statements as the judge", [PYTHON, "tests/e2e/judge.py"], None
    yield "TLS", [PYTHON, "tests/e2e/tls.py"], None
    yield "heavy", [PYTHON, "tests/heavy/run.py"], None
    yield "sequences", [PYTHON, "tests/suites/sequences/run.py"], None
    why_not = subprocess.run([PYTHON, "tests/fuzz/run.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    yield "fuzz smoke", None if why_not else ["make", "fuzz-smoke"], why_not


def bench():
    yield "criterion", cargo("bench"), None
    yield "release build", cargo("build", "--release"), None
    yield "overhead", [PYTHON, "benches/overhead/run.py"], None


def header(text):
    minutes, seconds = divmod(int(time.monotonic() - START), 60)
    print(f"\n==> [{minutes}:{seconds:02}] {text}", flush=True)


def main():
    steps = {"check": check, "test": test, "bench": bench}[sys.argv[1]]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as results:
        env = {**os.environ, "SUITE_RESULTS": results}
        for title, command, reason in steps():
            if command is None:
                header(f"{title}: skipped, {reason}")
                continue
            header(f"{title}: {' '.join(command)}")
            if subprocess.run(command, cwd=ROOT, env=env).returncode:
                print(f"FAILED: {title}", flush=True)
                failed += 1
            else:
                passed += 1
        for summary in sorted(Path(results).glob("*.json")):
            counts = json.loads(summary.read_text())
            passed += counts["passed"]
            failed += counts["failed"]
    header("done")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
