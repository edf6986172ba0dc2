"""Tests of clients that speak the protocol in ways of their own, directly and through pgscope.

Usage: clients.py [--only WORD]. The binary is PGSCOPE_BIN or the release build. The tests of asyncpg, and SQLAlchemy's of
PostgreSQL with psycopg 3, come from their source distributions. psycopg 3's own are in none: they come from Debian's
source package, or from PSYCOPG_SOURCE, the folder of a checkout at the version that PSYCOPG_VERSION names.
"""

import argparse
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
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

ASYNCPG = "0.32.0"
SQLALCHEMY = "2.0.44"
SQLALCHEMY_TESTS = [f"test/dialect/postgresql/test_{name}.py" for name in ("dialect", "on_conflict", "query", "types")]
# Debian 12's.
PSYCOPG = "3.1.7"
# It writes until the server's error arrives, and counts how much that was: each hop holds some bytes more.
ASYNCPG_FLAKY = ["tests.test_execute.TestExecuteMany.test_executemany_server_failure_during_writes"]


def asyncpg(checks, programs):
    """asyncpg, which speaks the extended protocol by itself, without libpq."""
    home = clean(sources.of_pypi("asyncpg", ASYNCPG), "tests")
    packages = sources.python_packages(f"asyncpg-{ASYNCPG}", f"asyncpg=={ASYNCPG}", "distro~=1.9.0")

    def run(server, address):
        record = folder() / "record"
        env = {**variables(server, address), "PYTHONPATH": f"{HERE / 'record'}:{packages}", "SUITE_RECORD": str(record)}
        finished([sys.executable, "-m", "unittest", "discover", "-s", "tests", "-t", "."], home, env, record)
        return twice.recorded(record)

    twice.judge(checks, "asyncpg", run, programs, flaky=ASYNCPG_FLAKY)


def psycopg(checks, programs):
    """psycopg 3: pipelines, COPY, notifications, cancels."""
    version = os.environ.get("PSYCOPG_VERSION", PSYCOPG)
    source = os.environ.get("PSYCOPG_SOURCE") or sources.of_debian("psycopg3")
    # A clean folder: beside the package's own source Python would find that first.
    home = clean(Path(source), "tests", "tools", "pyproject.toml")
    packages = sources.python_packages(f"psycopg-{version}", f"psycopg[binary,pool,test]=={version}")

    def run(server, address):
        dsn = f"host={address[0]} port={address[1]} user={server.user} dbname=postgres"
        words = ["-p", "no:randomly", f"--test-dsn={dsn}", "-m", "not slow and not proxy and not mypy"]
        return pytest(words, home, packages, server, address)

    twice.judge(checks, "psycopg", run, programs, least=1000)


def sqlalchemy(checks, programs):
    """SQLAlchemy's tests of PostgreSQL, with psycopg 3: types, reflection, server-side cursors, two-phase commits."""
    home = clean(sources.of_pypi("sqlalchemy", SQLALCHEMY), "lib", "test", "setup.cfg", "pyproject.toml")
    wanted = ["pytest<9", "greenlet", "typing_extensions", "psycopg[binary]~=3.2.0"]
    packages = sources.python_packages(f"sqlalchemy-{SQLALCHEMY}", *wanted)

    def run(server, address):
        for schema in ("test_schema", "test_schema_2"):
            server.query(f"create schema {schema}", "postgres")
        for extension in ("hstore", "citext"):
            server.query(f"create extension {extension}", "postgres")
        uri = f"postgresql+psycopg://{server.user}@{address[0]}:{address[1]}/postgres"
        return pytest([f"--dburi={uri}", *SQLALCHEMY_TESTS], home, packages, server, address)

    twice.judge(checks, "sqlalchemy", run, programs, least=300)


SUITES = {"asyncpg": asyncpg, "psycopg": psycopg, "sqlalchemy": sqlalchemy}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("clients")
    _, programs = majors.of_machine()
    for name, suite in SUITES.items():
        if options.only in name:
            with checks.guard(name):
                try:
                    suite(checks, programs)
                except sources.Missing as reason:
                    say(f"{name}: skipped, {reason}")
    return checks.finish()


def clean(source, *names):
    """A new folder with only these of a source tree."""
    home = folder()
    for name in names:
        path = source / name
        if path.is_dir():
            shutil.copytree(path, home / name)
        elif path.exists():
            shutil.copy(path, home)
    return home


def variables(server, address):
    """The environment of a client of this server or of what is in front of it."""
    libpq = {"PGHOST": address[0], "PGPORT": str(address[1]), "PGUSER": server.user, "PGDATABASE": "postgres"}
    return {**os.environ, **twice.PLAIN, **libpq, "PYTHONDONTWRITEBYTECODE": "1"}


def finished(command, home, env, result):
    """Runs a program to its end; what it writes is told where it left no result."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=home, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if not result.exists():
        raise RuntimeError((done.stdout + done.stderr)[-2000:])


def pytest(words, home, packages, server, address):
    """Outcome by test of a run of pytest."""
    report = folder() / "report.xml"
    command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={report}", *words]
    finished(command, home, {**variables(server, address), "PYTHONPATH": str(packages)}, report)
    outcomes = {}
    for case in xml.parse(report).iter("testcase"):
        ends = {child.tag for child in case} & {"failure", "error", "skipped"}
        outcome = "failed" if ends & {"failure", "error"} else "skipped" if ends else "ok"
        outcomes[f"{case.get('classname')}.{case.get('name')}"] = outcome
    return outcomes


if __name__ == "__main__":
    sys.exit(main())
