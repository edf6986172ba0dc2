"""`make check`, `make test`, `make suites`, `make bench` and `make tools`: steps with a header and the time, all of them
run, a last line with the sum. A step that cannot run here says why.

Usage: suite.py check|test|suites|bench|tools
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START = time.monotonic()
PYTHON = sys.executable
CARGO_DENY = "0.20.2"


def cargo(*words):
    return ["cargo", *words]


# cargo looks for its subcommands in its own folder too, and they for cargo.
os.environ["PATH"] += os.pathsep + str(Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "bin")


def has(subcommand):
    return shutil.which(f"cargo-{subcommand}") is not None


def tools():
    """What checks need beside the toolchain, where it is missing."""
    for tool, package in (("deny", f"cargo-deny@{CARGO_DENY}"), ("fuzz", "cargo-fuzz")):
        if has(tool):
            yield f"installing cargo-{tool}", None, "it is there"
        else:
            yield f"installing cargo-{tool}", cargo("install", "--locked", package), None


def check():
    """(title, command or None, reason to skip)."""
    yield "format", cargo("fmt", "--check"), None
    yield "clippy", cargo("clippy", "--all-targets", "--", "-D", "warnings"), None
    # Packs the crate and builds it from what was packed, as `cargo publish` does.
    yield "package", cargo("package", "--allow-dirty", "--locked"), None
    if os.environ.get("CI") == "true":
        yield from tools()
    if has("deny"):
        rules = ("--config", "deny.toml", "check", "licenses", "bans", "sources")
        yield "licences, bans and sources", cargo("deny", *rules), None
        yield "the same of tests/containers", cargo("deny", "--manifest-path", "tests/containers/Cargo.toml", *rules), None
        yield "advisories", *advisories()
    else:
        yield "licences, bans, sources and advisories", None, "cargo-deny is not installed (`make tools` installs it)"


def advisories():
    """The command and None, or None and why the advisories cannot be looked up."""
    fetched = subprocess.run(cargo("deny", "fetch", "db"), cwd=ROOT, capture_output=True, text=True)
    if fetched.returncode:
        why = (fetched.stderr.strip().splitlines() or ["no word of cargo-deny"])[-1]
        return None, f"the advisory database cannot be fetched here: {why}"
    return cargo("deny", "check", "--disable-fetch", "advisories"), None


class InPassing:
    """Commands that run one after another beside the steps; what they say is shown at a step of theirs."""

    def __init__(self, *commands, nice=19):
        self.words = " && ".join(shlex.join(command) for command in commands)
        self.log = tempfile.TemporaryFile()
        command = ["nice", "-n", str(nice), "sh", "-c", self.words]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT)

    def __str__(self):
        return f"{self.words} (began earlier)"

    def wait(self):
        """Its status, once it has ended and what it said is shown."""
        status = self.process.wait()
        self.log.seek(0)
        print(self.log.read().decode(errors="replace"), end="", flush=True)
        return status


def test():
    yield from check()
    if has("nextest"):
        yield "tests", cargo("nextest", "run", "--no-fail-fast"), None
        # nextest runs no documentation tests.
        yield "documentation tests", cargo("test", "--doc"), None
    else:
        yield "tests", cargo("test"), None
    yield "release build", cargo("build", "--release", "--bins"), None
    yield "what the judge normalises with", cargo("build", "--example", "normalise"), None
    cannot_fuzz = subprocess.run([PYTHON, "tests/fuzz/run.py"], cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout
    containers = cargo("test", "--manifest-path", "tests/containers/Cargo.toml")
    builds = InPassing([*containers, "--no-run"], *([] if cannot_fuzz else [[PYTHON, "tests/fuzz/run.py", "build"]]))
    yield "matrix", [PYTHON, "tests/e2e/run.py"], None
    yield "pg_stat_statements as the judge", [PYTHON, "tests/e2e/judge.py"], None
    yield "lineage", [PYTHON, "tests/e2e/lineage.py"], None
    yield "corpus", [PYTHON, "tests/e2e/corpus.py", "--quick"], None
    yield "deployments", [PYTHON, "tests/e2e/deployment.py"], None
    yield "TLS", [PYTHON, "tests/e2e/tls.py"], None
    yield "side connection", [PYTHON, "tests/e2e/explain.py"], None
    yield "comments of Django", [PYTHON, "tests/e2e/comments.py"], None
    yield "exec in CI", [PYTHON, "tests/e2e/exec.py"], None
    yield "documents", [PYTHON, "tests/e2e/docs.py"], None
    yield "top", [PYTHON, "tests/e2e/top.py"], None
    yield "containers", [PYTHON, "tests/e2e/containers.py"], None
    yield "Prometheus and Grafana", [PYTHON, "tests/e2e/prometheus.py"], None
    yield "page", [PYTHON, "tests/e2e/page.py"], None
    yield "heavy", [PYTHON, "tests/heavy/run.py"], None
    yield "sequences", [PYTHON, "tests/suites/sequences/run.py"], None
    yield "tees", [PYTHON, "tests/suites/tee_check.py"], None
    # Compiled also where no engine answers, so that it does not rot.
    yield "builds for the next ones", builds, None
    yield "image before PostgreSQL 12 to 18", containers, None
    # Two processes, where the drivers leave half of two cores.
    fuzz = None if cannot_fuzz else InPassing(["make", "fuzz-smoke"], nice=0)
    yield "drivers", [PYTHON, "tests/suites/drivers.py"], None
    yield "fuzz smoke", fuzz, cannot_fuzz


def suites():
    yield "release build", cargo("build", "--release", "--bins"), None
    majors = "12,13,14,15,16,17,18"
    yield "sequences, all majors", [PYTHON, "tests/suites/sequences/run.py", "--majors", majors, "--all-cuts"], None
    yield "PostgreSQL's own", [PYTHON, "tests/suites/postgres.py"], None
    yield "clients", [PYTHON, "tests/suites/clients.py"], None
    yield "drivers, all", [PYTHON, "tests/suites/drivers.py", "--all"], None


def bench():
    yield "criterion", cargo("bench"), None
    yield "release build", cargo("build", "--release"), None
    yield "overhead", [PYTHON, "benches/overhead/run.py", "--marks", "--json", "target/overhead.json"], None


def header(text):
    minutes, seconds = divmod(int(time.monotonic() - START), 60)
    print(f"\n==> [{minutes}:{seconds:02}] {text}", flush=True)


def main():
    steps = {"check": check, "test": test, "suites": suites, "bench": bench, "tools": tools}[sys.argv[1]]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as results:
        env = {**os.environ, "SUITE_RESULTS": results}
        for title, command, reason in steps():
            if command is None:
                header(f"{title}: skipped, {reason}")
                continue
            in_passing = isinstance(command, InPassing)
            header(f"{title}: {command if in_passing else ' '.join(command)}")
            if command.wait() if in_passing else subprocess.run(command, cwd=ROOT, env=env).returncode:
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
