"""The suites of drivers.py: where each comes from, how it is told its server, and how its tests ended."""

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Callable

import sources
import twice
from harness.console import eventually, say
from harness.process import target

HERE = Path(__file__).resolve().parent


@dataclass
class Suite:
    """`fetch` gives the folder of its sources, `command(source, address, home)` what to run: (words, folder,
    variables). `outcomes(home)` reads how each test ended from what the run left in `home`: `log` and `record`."""

    fetch: Callable
    command: Callable
    outcomes: Callable
    # Fewer tests than this are no run.
    least: int = 100
    # Run where nothing is named.
    usual: bool = False
    # The port that the tests insist on.
    port: int = 0
    # What is said to a new server before.
    prepare: Callable = None
    # Tests that may end either way on any server.
    flaky: tuple = ()


def recorded(home):
    """What record/sitecustomize.py wrote."""
    record = home / "record"
    return twice.recorded(record) if record.exists() else {}


def with_record(home, *paths, **variables):
    """The variables that make a Python write it."""
    path = os.pathsep.join(filter(None, [str(HERE / "record"), *map(str, paths), os.environ.get("PYTHONPATH")]))
    return {"SUITE_RECORD": str(home / "record"), "PYTHONPATH": path, "PGUSER": "shop", **variables}


# psycopg2


def psycopg2(source, address, home):
    host, port = address
    words = {"": "psycopg2_test", "_HOST": host, "_PORT": port, "_USER": "shop"}
    env = {f"PSYCOPG2_TESTDB{key}": str(value) for key, value in words.items()}
    # Empty: the replication tests use the same server.
    env["PSYCOPG2_TEST_REPL_DSN"] = ""
    start = "import tests; tests.unittest.main(defaultTest='tests.test_suite')"
    return [sys.executable, "-c", start], source, with_record(home, **env)


# Django


DJANGO_TESTS = "backends postgres_tests transactions prefetch_related select_related queries aggregation".split()
# Without these, tests of Django that do ask the database are skipped.
DJANGO_EXTRAS = "argon2-cffi bcrypt docutils jinja2 pillow pyyaml tblib".split()
# Compares how long two texts take, which depends on what else the machine does; asks no database.
DJANGO_FLAKY = ("serializers.test_deserialization.TestDeserializer.test_crafted_xml_performance",)
DJANGO_SETTINGS = """
import os
_database = {
    "ENGINE": "django.db.backends.postgresql", "USER": "shop",
    "HOST": os.environ["SUITE_HOST"], "PORT": os.environ["SUITE_PORT"],
    "OPTIONS": {"server_side_binding": True} if os.environ.get("SUITE_BINDING") else {},
}
DATABASES = {"default": {**_database, "NAME": "suite"}, "other": {**_database, "NAME": "suite_other"}}
SECRET_KEY = "suite"
USE_TZ = False
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""


def django(tests, binding):
    """Django's own tests with psycopg 3: these, or all where there are none; with or without the extended protocol."""

    def command(source, address, home):
        (home / "suite_settings.py").write_text(DJANGO_SETTINGS)
        paths = [home] if tests else [home, sources.python_packages("django", *DJANGO_EXTRAS)]
        binding_too = {"SUITE_BINDING": "1"} if binding else {}
        env = with_record(home, *paths, SUITE_HOST=address[0], SUITE_PORT=str(address[1]), **binding_too)
        words = [sys.executable, "runtests.py", "--settings=suite_settings", "--parallel=1", "--noinput", *tests]
        return words, source / "tests", env

    return command


# tokio-postgres


TOKIO_POSTGRES = "0.7.13"
# Those that its tests know how to use.
TOKIO_FEATURES = (
    "array-impls with-bit-vec-0_6 with-chrono-0_4 with-eui48-1 with-geo-types-0_6 with-geo-types-0_7 with-jiff-0_1 "
    "with-serde_json-1 with-smol_str-01 with-time-0_2 with-time-0_3 with-uuid-0_8 with-uuid-1"
)
TOKIO_RULES = {"pass_user": "password", "md5_user": "md5", "scram_user": "scram-sha-256"}
TOKIO_ROLES = (
    "create role postgres superuser login",
    "set password_encryption = 'md5'; create role md5_user password 'password' login",
    "set password_encryption = 'scram-sha-256'; create role scram_user password 'password' login",
    "create role pass_user password 'password' login",
    "create extension hstore",
    "create extension citext",
    "create extension ltree",
)


def tokio_source():
    """Fetched and built. The tests of TLS are those of other crates."""
    source = sources.of_crates("tokio-postgres", TOKIO_POSTGRES)
    say(f"building the tests of tokio-postgres {TOKIO_POSTGRES} where they are not built")
    subprocess.run([*tokio_cargo(), "--no-run"], cwd=source, env=tokio_environment(), check=True)
    return source


def tokio_cargo():
    return ["cargo", "test", "--quiet", "--locked", "--test", "test", "--features", TOKIO_FEATURES]


def tokio_environment():
    return {**os.environ, "CARGO_TARGET_DIR": str(target() / "suites" / "tokio-build"), "CARGO_PROFILE_DEV_DEBUG": "0"}


def tokio_prepare(server):
    """The roles of its docker/sql_setup.sh."""
    for sql in TOKIO_ROLES:
        server.query(sql, "postgres")
    [(rules,)], loaded = server.query("show hba_file", "postgres"), server.query("select pg_conf_load_time()", "postgres")
    lines = [f"host all {user} 127.0.0.1/32 {method}\n" for user, method in TOKIO_RULES.items()]
    Path(rules).write_text("".join(lines) + Path(rules).read_text())
    server.query("select pg_reload_conf()", "postgres")
    eventually(lambda: server.query("select pg_conf_load_time()", "postgres") != loaded, "the rules are loaded")


def tokio(source, address, home):
    # --quiet would print a dot for each test.
    words = [word for word in tokio_cargo() if word != "--quiet"]
    return [*words, "--", "--test-threads=4"], source, tokio_environment()


def tokio_outcomes(home):
    """What libtest printed."""
    ends = {"ok": "ok", "FAILED": "failed", "ignored": "skipped"}
    lines = re.findall(r"^test (\S+)(?: - should panic)? \.\.\. (\w+)", (home / "log").read_text(errors="replace"), re.M)
    return {test: ends[end] for test, end in lines if end in ends}


# node-postgres


# The archives of `pg` hold no tests; of its sisters' these are the last that do.
NODE_TESTED = ["pg-pool@3.1.1", "pg-cursor@2.1.11", "pg-query-stream@3.0.0"]
NODE_NEEDED = (
    "pg@8.16.3 pg-cursor@2.15.3 mocha@10.8.2 bluebird@3.4.1 co@4.6.0 expect.js@0.3.1 lodash@4.17.21 "
    "concat-stream@1.0.1 stream-spec@0.3.5 through@2.3.8"
).split()
# Not to be had from everywhere.
NODE_UNAVAILABLE = "stream-tester"


def node_source():
    source = sources.of_npm("node-postgres", NODE_TESTED, NODE_NEEDED)
    for test in source.glob("*/test/*.js"):
        if f'"{NODE_UNAVAILABLE}"' in test.read_text().replace("'", '"'):
            say(f"node-postgres: {test.relative_to(source)} is skipped: it wants the package {NODE_UNAVAILABLE}")
            test.unlink()
    return source


def node(source, address, home):
    env = {"PGHOST": address[0], "PGPORT": str(address[1]), "PGUSER": "shop", "PGDATABASE": "postgres"}
    words = ["node_modules/.bin/mocha", "--require", "./pg-pool/test/setup.js", "--timeout", "20000", "--exit"]
    folders = [f"{package.rpartition('@')[0]}/test" for package in NODE_TESTED]
    return [*words, "--reporter", "json-stream", *folders], source, env


def node_outcomes(home):
    """What mocha's reporter printed, one JSON list a line, between whatever the tests printed."""
    ends = {"pass": "ok", "fail": "failed"}
    lines = re.findall(r'^(\["(?:pass|fail)",.*\])$', (home / "log").read_text(errors="replace"), re.M)
    tests = map(json.loads, lines)
    return {f"{test['file'].partition('node-postgres/')[2]}: {test['fullTitle']}": ends[end] for end, test in tests}


def _django(tests, binding, **more):
    return Suite(lambda: sources.of_pypi("django", metadata.version("django")), django(tests, binding), recorded, **more)


SUITES = {
    "psycopg2": Suite(
        lambda: sources.of_pypi("psycopg2", metadata.version("psycopg2-binary")),
        psycopg2,
        recorded,
        usual=True,
        prepare=lambda server: server.query("create database psycopg2_test", "postgres"),
    ),
    "django": _django(DJANGO_TESTS, binding=False, usual=True),
    "django-binding": _django(DJANGO_TESTS, binding=True, usual=True),
    "tokio-postgres": Suite(
        tokio_source, tokio, tokio_outcomes, port=5433, prepare=tokio_prepare
    ),
    "node-postgres": Suite(node_source, node, node_outcomes),
    "django-all": _django([], binding=False, least=15_000, flaky=DJANGO_FLAKY),
    "django-all-binding": _django([], binding=True, least=15_000, flaky=DJANGO_FLAKY),
}
