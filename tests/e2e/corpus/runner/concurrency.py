"""One thread against eight: the same findings, the same number of queries in each request."""

import random
import re
import threading
from collections import Counter

from harness.console import say
from harness.servers import Pgscope

from .apps import App
from .drive import DEPLOYMENT
from .score import CLOCK

THREADS = 8
# All requests fit into one answer of the API.
ROUNDS = 3
LIFETIMES = {"age-0": {"conn_max_age": 0}, "age-600-checks": {"conn_max_age": 600, "conn_health_checks": 1}}


def compare(checks, postgres, django, template, views, name, quick):
    """Both ways to keep connections that have limits of their own; once through one of them if it must be quick."""
    paths = [view.path for view in views if not view.task] * (1 if quick else ROUNDS)
    for lifetime, settings in list(LIFETIMES.items())[-1 if quick else 0 :]:
        serial, alone = measure(postgres, django, template, settings, paths, 1, f"{name}_{lifetime}_1")
        parallel, beside = measure(postgres, django, template, settings, paths, THREADS, f"{name}_{lifetime}_8")
        say(f"{name}/{lifetime}: {sum(map(Counter.total, alone.values()))} requests, {len(serial)} findings")
        checks.equal(beside, alone, f"{name}/{lifetime}: queries per request at concurrency {THREADS} as in the serial run")
        checks.equal(parallel, serial, f"{name}/{lifetime}: findings at concurrency {THREADS} as in the serial run")


def measure(postgres, django, template, settings, paths, threads, name):
    """(finding to the requests that have it, route to the multiset of its queries)."""
    database = postgres.clone(re.sub(r"\W", "_", name), template)
    keep = ("--stats-findings", "2000", "--stats-routes", "1000", "--stats-recent-requests", "5000")
    with Pgscope(postgres.address, *keep) as scope:
        with App(django, scope.address, database, threads=threads, **settings) as app:
            app.enter()
            visit(app, paths, threads)
        scope.quiet()
        requests = {}
        for request in scope.api("requests", limit=1000):
            if not request["route"].startswith("~"):
                requests.setdefault(request["route"], Counter())[request["queries"]] += 1
        findings = {
            tuple(finding[word] for word in ("detector", "kind", "route", "fingerprint", "fix")): finding["requests"]
            for finding in scope.api("findings", limit=1000)
            # What goes by the clock, or by all requests together, may differ.
            if finding["detector"] not in CLOCK and finding["route"] != DEPLOYMENT
        }
    return findings, requests


def visit(app, paths, threads):
    """All paths, commented, from as many clients as there are threads."""
    order = list(paths)
    random.Random(threads).shuffle(order)
    queue, lock, failures = iter(order), threading.Lock(), []

    def client():
        try:
            while True:
                with lock:
                    path = next(queue, None)
                if path is None:
                    return
                app.visit(path, comments=True)
        except Exception as error:
            failures.append(error)

    clients = [threading.Thread(target=client) for _ in range(threads)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    if failures:
        raise failures[0]
