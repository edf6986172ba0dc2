"""The detectors that watch a deployment, against real ones: each mistake is made and found, and its remedy is silent.

Usage: deployment.py [--only WORD]. The binary is PGSCOPE_BIN or the release build.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

from harness.console import Checks, eventually, say
from harness.postgres import Postgres
from harness.process import folder
from harness.servers import Gunicorn, Pgscope, binary, seeded
from harness.traffic import Shopper
from harness.wire import ServerError, Wire

KEPT = {"conn_max_age": 600, "conn_health_checks": 1}
CHURN = "connection_churn"
# Longer than `cacheable_query` waits to hear of a write, in seconds.
WRITING = 4


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("e2e-deployment")
    postgres = Postgres()
    template = seeded(postgres)
    for case in CASES:
        if options.only in case.__name__:
            with checks.guard(case.__name__):
                say(case.__name__)
                case(checks, postgres, postgres.clone(case.__name__, template))
    return checks.finish()


def found(scope, detector):
    """Its findings, each with its count."""
    return [finding for finding in scope.api("findings", limit=1000) if finding["detector"] == detector]


def visit(shop, path, times):
    """GET one page again and again, as one visitor."""
    shopper = Shopper(shop.address)
    for _ in range(times):
        status = shopper.get(path).status
        if status != 200:
            raise AssertionError(f"{path}: status {status}")


def connections(checks, postgres, database):
    """A connection for each request is churn; kept connections are not."""
    # To Django, a server's `Etc/UTC` is another zone.
    postgres.query(f"ALTER DATABASE \"{database}\" SET timezone TO 'UTC'", "postgres")
    for settings, expected in (({"conn_max_age": 0}, 1), (KEPT, 0)):
        with Pgscope(postgres.address) as scope:
            with Gunicorn(scope.address, database, **settings) as shop:
                visit(shop, "/book/7/", 200)
            scope.quiet()
            churn = found(scope, CHURN)
            checks.equal(len(churn), expected, f"{settings}: findings of {CHURN}")
            checks.that(all("CONN_MAX_AGE" in finding["fix"] for finding in churn), "churn: the fix", churn)
            checks.equal([finding["route"] for finding in churn], ["-"] * expected, "churn: it has no route")
            checks.equal(found(scope, "timezone_round_trip"), [], f"{settings}: the server's zone is Django's")
            checks.equal(found(scope, "pool_pressure"), [], f"{settings}: the server has connections to give")


def time_zone(checks, postgres, database):
    """A server in another time zone costs each connection a round trip, until the role is altered."""
    postgres.query(f"ALTER DATABASE \"{database}\" SET timezone TO 'Europe/Berlin'", "postgres")
    for remedy in (False, True):
        if remedy:
            # What the finding advises.
            postgres.query(f"ALTER ROLE shop IN DATABASE \"{database}\" SET timezone TO 'UTC'", "postgres")
        with Pgscope(postgres.address) as scope:
            with Gunicorn(scope.address, database, conn_max_age=0) as shop:
                visit(shop, "/books/", 40)
            scope.quiet()
            trips = found(scope, "timezone_round_trip")
            checks.equal(len(trips), 0 if remedy else 1, f"findings of timezone_round_trip, role altered: {remedy}")
            checks.that(remedy or "ALTER ROLE" in trips[0]["fix"], "time zone: the fix", trips)


def cacheable(checks, postgres, database):
    """The same page 30 times; then another one that is written to each time."""
    with Pgscope(postgres.address) as scope:
        with Gunicorn(scope.address, database, **KEPT) as shop:
            visit(shop, "/books/", 30)

            def found_when_asked_again():
                visit(shop, "/books/", 1)
                return found(scope, "cacheable_query")

            scope_saw = eventually(found_when_asked_again, "the page is found to be cacheable")
            checks.equal(len(scope_saw), 1, "cacheable_query: one statement")
            checks.that("shop_book" in scope_saw[0]["query"], "cacheable_query: the list of books", scope_saw)
            visit(shop, "/reviews/3/add/", 30)
            started = time.monotonic()
            for number in itertools.takewhile(lambda _: time.monotonic() - started < WRITING, itertools.count()):
                visit(shop, "/tag/tag-1/", 1)
                visit(shop, f"/tag/another-{number}/", 1)
        scope.quiet()
        queries = [finding["query"] for finding in found(scope, "cacheable_query")]
        tags = [query for query in queries if "shop_tag" in query]
        checks.equal(tags, [], "cacheable_query: a table that is written is left out")


def hot(checks, postgres, database):
    """A look-up by name, for as long as it takes."""
    file = folder() / "hot.toml"
    file.write_text('[detectors.hot_query]\nper_second = 1\nsustained = "10s"\n')
    with Pgscope(postgres.address, "--config", str(file)) as scope:
        with Gunicorn(scope.address, database, **KEPT) as shop:

            def turn():
                visit(shop, "/tag/tag-1/", 5)
                visit(shop, "/book/7/", 5)
                return found(scope, "hot_query")

            queries = eventually(turn, "a look-up by name is hot", 90)
            names = [finding for finding in queries if "shop_tag" in finding["query"]]
            checks.that(names, "hot_query: the look-up of tags", queries)
            by_key = [finding["query"] for finding in queries if '"shop_book"."id" = ?' in finding["query"]]
            checks.equal(by_key, [], "hot_query: a look-up by primary key is fine")


def sessions(checks, postgres, database):
    """A visitor who is logged in on each page; without one, nothing."""
    for path, logged_in in (("/account/", True), ("/books/", False)):
        with Pgscope(postgres.address) as scope:
            with Gunicorn(scope.address, database, **KEPT) as shop:
                shopper = Shopper(shop.address)
                if logged_in:
                    shopper.get("/login/user1/")
                for _ in range(120):
                    shopper.get(path)
            scope.quiet()
            kinds = [finding["kind"] for finding in found(scope, "session_overhead")]
            checks.equal(kinds, ["reads"] if logged_in else [], f"{path}: what sessions cost")


def lost(checks, postgres, database):
    """The server ends idle connections: without health checks the next request fails."""
    for health_checks, expected in ((0, 1), (1, 0)):
        with Pgscope(postgres.address) as scope:
            settings = {"conn_max_age": 600, "conn_health_checks": health_checks, "atomic_requests": 1}
            with Gunicorn(scope.address, database, **settings) as shop:
                visit(shop, "/book/7/", 150)
                postgres.query(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
                    " AND pid <> pg_backend_pid()",
                    "postgres",
                )
                scope.quiet()
            findings = found(scope, "no_health_checks")
            checks.equal(len(findings), expected, f"no_health_checks with CONN_HEALTH_CHECKS={health_checks}")


def refused(checks, postgres, database):
    """A role without a connection left."""
    postgres.query("CREATE ROLE poor LOGIN CONNECTION LIMIT 1", "postgres")
    with Pgscope(postgres.address) as scope:
        with Wire(scope.address, "poor", database):
            checks.equal(found(scope, "pool_pressure"), [], "pool_pressure: the first is let in")
            try:
                Wire(scope.address, "poor", database).close()
                checks.that(False, "the second is refused")
            except ServerError as error:
                checks.equal(error.fields["C"], "53300", "the second is refused for lack of a connection")
        # The client hears of it before pgscope looks at what it passed on.
        findings = eventually(lambda: found(scope, "pool_pressure"), "the refusal is found")
        severities = [finding["severity"] for finding in findings]
        checks.equal(severities, ["critical"], "pool_pressure: a refusal is critical")


def health(checks, postgres, database):
    """A load balancer's checks are counted apart, and are no requests."""
    with Pgscope(postgres.address) as scope:
        for text in ("SELECT 1", "SELECT 1;", ""):
            for _ in range(20):
                with Wire(scope.address, postgres.user, database) as wire:
                    wire.query(text)
        scope.quiet()
        metrics = scope.metrics()
        checks.equal(metrics.total("health_check_requests_total"), 60, "health_check_requests_total")
        checks.equal(metrics.total("requests_total"), 0, "health checks are no requests")
        checks.equal(scope.api("findings", limit=1000), [], "health checks are no churn")


CASES = [connections, time_zone, cacheable, hot, sessions, lost, refused, health]

if __name__ == "__main__":
    sys.exit(main())
