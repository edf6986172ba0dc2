"""proxy-config/django/pgscope_comments.py: its tests with each Django and each driver, directly and through pgscope; then the shop with it.

Usage: comments.py [--only WORD] [--cost]. The binary is PGSCOPE_BIN or the release build. --cost measures what it adds to the shop's
pages instead.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "corpus")]
from harness.venv import run_in_venv

run_in_venv()

from harness import verdict
from harness.console import Checks, say
from harness.postgres import Postgres
from harness.servers import SHOP, Gunicorn, Pgscope, binary, seeded, shop_environment
from harness.traffic import by_route, drive, plan
from runner.apps import DJANGOS, djangos

TESTS = Path(__file__).resolve().parent / "comments" / "tests.py"
DRIVERS = {"psycopg": {}, "psycopg-binding": {"BINDING": "1"}, "psycopg2": {"DRIVER": "psycopg2"}}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--cost", action="store_true")
    options = options.parse_args()
    if not options.cost:
        binary()  # ends here where there is none
    checks = Checks("e2e-comments")
    postgres = Postgres()
    if options.cost:
        cost(checks, postgres)
        return checks.finish()
    with Pgscope(postgres.address) as scope:
        for django in djangos(DJANGOS):
            for driver, variables in DRIVERS.items():
                name = f"{django.version}/{driver}"
                if options.only in name:
                    unit_tests(checks, postgres, scope, django, name, variables)
    if options.only in "shop":
        with checks.guard("shop"):
            shop(checks, postgres)
    return checks.finish()


def unit_tests(checks, postgres, scope, django, name, variables):
    """tests.py in the environment of one Django."""
    say(name)
    database = name.replace("/", "_")
    postgres.query(f'CREATE DATABASE "{database}"', "postgres")
    libpq = {key: value for key, value in postgres.environment(scope.address, database).items() if key.startswith("PG")}
    env = {**django.env, **libpq, **variables}
    done = subprocess.run([django.python, TESTS], env=env, capture_output=True, text=True)
    checks.that(done.returncode == 0, f"{name}: tests.py", done.stdout + done.stderr)


def shop(checks, postgres):
    """Kept connections without health checks: with the comments each request is exact, and mistakes are where they were made."""
    say("shop")
    database = seeded(postgres)
    paths = plan(4, executemany=True)
    with Pgscope(postgres.address) as scope:
        with Gunicorn(scope.address, database, conn_max_age=600, pgscope_comments=1) as app:
            records = drive(app.address, paths)
        scope.quiet()
        truth = {route: counts.total() for route, counts in by_route(records).items()}
        sums = {route: sum(count * times for count, times in counts.items()) for route, counts in by_route(records).items()}
        metrics, findings = scope.metrics(), scope.api("findings", limit=1000)
        checks.equal(metrics.by("requests_total", "route"), truth, "shop: requests of each route")
        checks.equal(metrics.by("request_queries_sum", "route"), sums, "shop: queries of each route")
        boundaries = set(metrics.by("requests_total", "boundary"))
        checks.that(boundaries <= {"trace", "connection"}, "shop: all limits of requests are exact", boundaries)
        checks.equal(verdict.missed(findings), [], "shop: all planted mistakes are found")
        checks.equal(verdict.accused(findings, records), [], "shop: no good page is accused")


def cost(checks, postgres):
    """CPU time of the shop's pages with and without, in turns in one process."""
    database = seeded(postgres)
    env = shop_environment(postgres.address, database, conn_max_age=600, pgscope_comments=1)
    done = subprocess.run([sys.executable, TESTS.parent / "cost.py"], cwd=SHOP, env=env)
    checks.equal(done.returncode, 0, "cost.py")


if __name__ == "__main__":
    sys.exit(main())
