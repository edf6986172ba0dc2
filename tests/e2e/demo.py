"""A shop full of mistakes, and pgscope finding them: `make demo`.

Stays until Ctrl-C. With DEMO_ONCE=1 it ends by itself: 0 where every planted mistake was found and no good page
accused, else 1.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

from harness import verdict
from harness.console import eventually, say
from harness.postgres import Postgres
from harness.servers import Gunicorn, Pgscope, binary, seeded
from harness.traffic import drive, plan

ROUNDS = 12
SEVERITIES = ["info", "warning", "critical"]
SETTINGS = {"conn_max_age": 600, "conn_health_checks": 1, "pgscope_comments": 1}


def main():
    binary()  # ends here where there is none
    once = os.environ.get("DEMO_ONCE") == "1"
    postgres = Postgres()
    database = seeded(postgres, "shop")
    say("starting pgscope between the shop and PostgreSQL")
    with Pgscope(postgres.address) as scope, Gunicorn(scope.address, database, **SETTINGS) as shop:
        paths = plan(ROUNDS, executemany=True)
        say(f"visiting the shop: {len(paths)} pages, 4 customers at once")
        records = drive(shop.address, paths, progress=60)
        say("what pgscope found:")
        wait_for_findings(scope)
        report = [str(binary()), "report", "--admin", scope.url]
        print(flush=True)
        failed = subprocess.run(report).returncode
        print(flush=True)
        good = judge(scope, records) and not failed
        if not once:
            stay(scope, shop, postgres)
        return 0 if good or not once else 1


def wait_for_findings(scope):
    """The last request of a connection ends only when it has been idle for a while."""
    try:
        eventually(lambda: not verdict.missed(scope.api("findings", limit=1000)), "all planted mistakes are found", 10)
    except AssertionError:
        pass  # `judge` says which


def judge(scope, records):
    """Say what was missed and who was accused; whether neither."""
    findings = scope.api("findings", limit=1000)
    missed, accused = verdict.missed(findings), verdict.accused(findings, records)
    for mistake in missed:
        say(f"MISSED: {mistake.detector} {mistake.kind or ''} on {mistake.route}")
    for finding in accused:
        say(f"ACCUSED: {verdict.describe(finding)}")
    say(f"{len(verdict.MISTAKES) - len(missed)} of {len(verdict.MISTAKES)} planted mistakes found, {len(accused)} good pages accused")
    return not missed and not accused


def top(scope):
    """What the page shows first."""
    worst = max(scope.api("findings"), key=lambda finding: (SEVERITIES.index(finding["severity"]), finding["wasted_seconds"]))
    return "{detector} on {route} at the top, at {callsite}".format(**{**worst, "callsite": worst["callsite"] or "a line that is not known"})


def stay(scope, shop, postgres):
    """Leave everything running until Ctrl-C."""
    host, port = shop.address
    print(
        f"""
Open in a browser:
  {scope.url}/                      the page: {top(scope)}
  {scope.url}/metrics               for Prometheus
  {scope.url}/api/v1/findings       the findings as JSON
  http://{host}:{port}/planted/forward/     a page with an N+1
  http://{host}:{port}/books/               the same page done right
  psql -h {scope.address[0]} -p {scope.address[1]} -U {postgres.user} shop    a query of your own

Ctrl-C ends everything.""",
        flush=True,
    )
    stopped = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    # A server that dies must not leave the demo hanging.
    while not stopped.wait(1):
        for child in (scope.child, shop.child, postgres.child):
            child.alive()
    say("stopping")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
