"""The labelled corpus: what pgscope finds in faulty and in sound views of Django, against the truth in corpus/truth/.

Usage: corpus.py [--only WORD] [--quick] [--direct] [--json FILE]. The binary is PGSCOPE_BIN or the release build.
--quick runs one configuration per way to keep connections but the slow paced one. --direct leaves
pgscope out and holds the truth itself against Django's own log of queries.
"""

import argparse
import json
import re
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).resolve().parent / "corpus")]

from harness.console import Checks, say
from harness.postgres import Postgres
from harness.servers import Direct, Pgscope, binary
from runner import concurrency, drive, lines, score
from runner.apps import DJANGOS, App, djangos
from truth import FAULTY, SOUND, VIEWS

# The marks of the issue: (recall, precision, right fixes). `bounded`: the wire shows where requests begin.
MARKS = {"bounded": (0.98, 0.98, 0.95), "none": (0.90, 0.95, 0.95)}
# With --quick, on whatever machine: without limits the times between queries decide much, and a busy one shifts them.
QUICK_MARKS = {"bounded": (0.96, 0.96, 0.93), "none": (0.82, 0.90, 0.90)}
AT_LEAST = (45, 35)

Lifetime = namedtuple("Lifetime", "settings drive markers bounded")
DRIVERS = {
    "psycopg": {},
    "psycopg-binding": {"server_side_binding": 1},
    "psycopg2": {"driver": "psycopg2"},
}
LIFETIMES = {
    "age-0": Lifetime({"conn_max_age": 0}, "one by one", 0, True),
    "age-600-checks": Lifetime({"conn_max_age": 600, "conn_health_checks": 1}, "one by one", 1, True),
    "age-600/paced": Lifetime({"conn_max_age": 600}, "paced", 0, False),
    "age-600/shuffled": Lifetime({"conn_max_age": 600}, "shuffled", 0, False),
    "pool-checks": Lifetime({"pool": 1, "conn_health_checks": 1}, "one by one", 4, True),
}
QUICK = [
    "psycopg/age-0",
    "psycopg/pool-checks",
    "psycopg-binding/age-600-checks",
    "psycopg2/age-600/shuffled",
]
KEEP = ("--stats-findings", "2000", "--stats-routes", "1000", "--stats-recent-requests", "2000")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--quick", action="store_true")
    options.add_argument("--direct", action="store_true")
    options.add_argument("--json", type=Path)
    options = options.parse_args()
    checks = Checks("e2e-corpus")
    checks.that(len(FAULTY) >= AT_LEAST[0] and len(SOUND) >= AT_LEAST[1], "the corpus is large enough", (len(FAULTY), len(SOUND)))
    if not options.direct:
        binary()  # ends here where there is none
    postgres = Postgres()
    scores = []
    for django in djangos(["5.2"] if options.quick else DJANGOS):
        template = None
        for number, (name, driver, lifetime) in enumerate(configurations(django, options)):
            template = template or django.seeded(postgres)
            with checks.guard(name):
                database = postgres.clone(re.sub(r"\W", "_", name), template)
                if options.direct:
                    direct(checks, postgres, django, database, DRIVERS[driver], name)
                else:
                    marks = QUICK_MARKS if options.quick else MARKS
                    scores.append(run(checks, postgres, django, database, DRIVERS[driver], lifetime, marks, name, number))
        name = f"{django.version}/callsites"
        if options.only in name and not options.direct:
            template = template or django.seeded(postgres)
            with checks.guard(name):
                callsites(checks, postgres, django, postgres.clone(re.sub(r"\W", "_", name), template), name)
        name = f"{django.version}/concurrency"
        if options.only in name and not options.direct:
            template = template or django.seeded(postgres)
            with checks.guard(name):
                concurrency.compare(checks, postgres, django, template, VIEWS, name, options.quick)
    if scores:
        print("\n" + "\n".join(score.table(scores)), flush=True)
    if options.json:
        options.json.write_text(json.dumps([one.as_dict() for one in scores], indent=1))
    return checks.finish()


def configurations(django, options):
    """(name, driver, lifetime) of each that was asked for."""
    lifetimes = {"direct": None} if options.direct else LIFETIMES
    for driver in DRIVERS:
        for lifetime in lifetimes:
            name = f"{driver}/{lifetime}"
            if lifetime == "pool-checks" and (driver == "psycopg2" or django.version == "4.2"):
                continue  # the native pool is psycopg 3's, since Django 5.1
            if options.quick and name not in QUICK and not options.direct:
                continue
            if options.only in f"{django.version}/{name}":
                yield f"{django.version}/{name}", driver, lifetimes[lifetime]


def run(checks, postgres, django, database, driver, lifetime, marks, name, number):
    """One configuration: visit, attribute, score."""
    settings = {**driver, **lifetime.settings}
    arguments = drive.PACED if lifetime.drive == "paced" else ()
    with Pgscope(postgres.address, *KEEP, *arguments) as scope:
        watch = visit_all(scope, django, database, settings, lifetime, VIEWS, number)
        if lifetime.drive == "shuffled":
            result = score.at_all(name, VIEWS, watch, detectors(), watch.findings())
        else:
            result = score.by_view(name, VIEWS, watch, detectors(), lifetime.bounded)
        checks.equal(scope.metrics().total("sessions_blind_total"), 0, f"{name}: no session is blind")
        bare = sorted({finding["detector"] for finding in watch.findings() if not finding["fix"]})
        checks.equal(bare, [], f"{name}: detectors whose findings have no fix")
        checks.equal(watch.astray(), [], f"{name}: findings of commented views carry their route")
        checks.equal(scope.stop(), 0, f"{name}: pgscope exits with 0 on SIGTERM")
    checks.equal(list(score.untrue(VIEWS, watch.visits)), [], f"{name}: the truth agrees with Django's log")
    for title, lines in (("missed", result.misses), ("false", result.false), ("wrong fix", result.wrong)):
        for line in lines:
            print(f"    {title}: {line}", flush=True)
    kind = "bounded" if lifetime.bounded else "none"
    for word, mark in zip(("recall", "precision", "fixes"), marks[kind], strict=True):
        value = getattr(result, word)
        checks.that(value >= mark, f"{name}: {word} is at least {mark}", f"is {value:.3f}")
    say(f"{name}: recall {result.recall:.3f}, precision {result.precision:.3f}, right fixes {result.fixes:.3f}")
    return result


def visit_all(scope, django, database, settings, lifetime, views, number):
    """All views through Gunicorn, async ones through uvicorn where Django advises no persistent connections, then the
    tasks. Every other view has its queries commented where requests have limits of their own; which half depends on the
    configuration."""
    watch = drive.Watch(scope)
    tasks = [view for view in views if view.task]
    pages = [view for view in views if not view.task]
    asynchronous = [view for view in pages if view.path.startswith("asynchronous/")]
    phases = [(pages, False)]
    if not settings.get("conn_max_age"):
        phases = [([view for view in pages if view not in asynchronous], False), (asynchronous, True)]

    def comments(index):
        return lifetime.bounded and (index + number) % 2 == 0

    for part, asgi in phases:
        with App(django, scope.address, database, asgi=asgi, **settings) as app:
            watch.note(app.enter())
            if lifetime.drive == "one by one":
                drive.one_by_one(watch, app, part, 2, comments, lifetime.markers)
            elif lifetime.drive == "paced":
                drive.settle(watch, app)
                drive.paced(watch, app, part)
            else:
                drive.shuffled(watch, app, part, 3, number)
        scope.quiet()
        watch.snapshot()
    pause = drive.PAUSE if lifetime.drive == "paced" else 0.01
    drive.tasks(watch, django, scope, database, tasks, settings, comments, pause)
    return watch


def callsites(checks, postgres, django, database, name):
    """The application with pgscope_comments.py: findings name the line."""
    lifetime = Lifetime({"conn_max_age": 0, "pgscope_comments": 1}, "one by one", 0, False)
    with Pgscope(postgres.address, *KEEP) as scope:
        watch = visit_all(scope, django, database, lifetime.settings, lifetime, VIEWS, 0)
        right, judged = lines.judge(checks, VIEWS, watch, name)
    say(f"{name}: {right} of {judged} findings name the right line")


def direct(checks, postgres, django, database, driver, name):
    """No pgscope: is the truth true?"""
    scope = Direct(postgres.address)
    with App(django, scope.address, database, conn_max_age=600, **driver) as app:
        app.enter()
        visits = [app.visit(view.path) for view in VIEWS if not view.task]
    visits += django.tasks(scope.address, database, [view.task for view in VIEWS if view.task], **driver)
    checks.equal(list(score.untrue(VIEWS, visits)), [], f"{name}: the truth agrees with Django's log")
    say(f"{name}: {len(visits)} views and tasks, {sum(visit.queries for visit in visits)} queries")


def detectors():
    """Those that this pgscope has."""
    text = subprocess.run([binary(), "serve", "--help"], capture_output=True, text=True, check=True).stdout
    return {word.replace("-", "_") for word in re.findall(r"--detectors-([a-z0-9-]+)-enabled", text)}


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
