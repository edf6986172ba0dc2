"""The drivers' and Django's own tests, directly and through pgscope: each must end the same, and no byte may differ.

Usage: drivers.py [NAME ...] [--all]. Without names: those that `make test` runs; `--all`: every one. The binary is
PGSCOPE_BIN or the release build. Their sources come from the packages of the registries of Python, Rust and npm, those of Python in
the versions of tests/e2e/requirements.txt, and are kept below target/.

The way through pgscope has a tee on both sides (tee.py), which compares every byte of every connection.
"""

import argparse
import contextlib
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE / "sequences")]
from harness.venv import run_in_venv

run_in_venv()

import majors
import sources
import twice
from harness.console import Checks, say
from harness.process import folder
from harness.servers import binary
from suites import SUITES

PROGRESS = 60  # seconds


def main():
    options = argparse.ArgumentParser()
    options.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SUITES))
    options.add_argument("--all", action="store_true")
    options = options.parse_args()
    if unknown := set(options.names) - set(SUITES):
        sys.exit(f"no such suite: {', '.join(unknown)}; there are {', '.join(SUITES)}")
    binary()  # ends here where there is none
    checks = Checks("drivers")
    _, programs = majors.of_machine()
    for name, suite in SUITES.items():
        if name in options.names or options.all or (suite.usual and not options.names):
            with checks.guard(name):
                try:
                    source = suite.fetch()
                except sources.Missing as reason:
                    say(f"{name}: skipped, {reason}")
                    continue
                twice.judge(checks, name, run(name, suite, source), programs, suite.least, suite.port, suite.flaky)
    return checks.finish()


def run(name, suite, source):
    """What runs it once, and tells how far it is."""

    def once(server, address):
        if suite.prepare:
            suite.prepare(server)
        home = folder()
        command, cwd, env = suite.command(source, address, home)
        env = {**os.environ, **twice.PLAIN, **env}
        with open(home / "log", "wb") as log:
            process = subprocess.Popen(
                command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(PROGRESS)
                    break
                say(f"{name}: {len(suite.outcomes(home))} tests so far")
        outcomes = suite.outcomes(home)
        if not outcomes:
            raise RuntimeError((home / "log").read_text(errors="replace")[-2000:])
        return outcomes

    return once


if __name__ == "__main__":
    sys.exit(main())
