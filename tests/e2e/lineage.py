"""Where the values of loops come from: every loop over rows is proven with the right relation, no other is.

Usage: lineage.py [--only WORD]. The binary is PGSCOPE_BIN or the release build.
"""

import argparse
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

from harness.console import Checks, say
from harness.postgres import Postgres
from harness.servers import Pgscope, binary

LIBRARY = Path(__file__).resolve().parent / "lineage" / "library.py"
DRIVERS = ["psycopg", "psycopg-binding", "psycopg2"]

# What is proven of each case: kind, relation and the beginning of the fix.
PROVEN = {
    "forward": [("forward_fk", "author", 'select_related("author")')],
    "page": [("forward_fk", "author", 'select_related("author")')],
    "reverse": [("reverse_fk", "book_set", 'prefetch_related("book_set")')],
    "one to one": [("reverse_one_to_one", "profile", 'select_related("profile")')],
    "many to many": [("many_to_many", "tags", 'prefetch_related("tags")')],
    "count": [("aggregate", "book", 'annotate(n=Count("book"))')],
    "exists": [("exists", "book", "annotate(has_book=Exists(")],
    "deferred": [("deferred_field", "bio", "remove")],
    "generic": [("generic_fk", "content_object", 'prefetch_related("content_object")')],
    "chain": [("forward_fk", "author__profile", 'select_related("author__profile")')],
    "outside": [],
    "same": [],
    "by title": [],
    "by hand": [("reverse_fk", "book_set", 'prefetch_related(Prefetch("book_set"')],
    "prefetched": [],
    "selected": [],
    "unrelated authors": [],
    "unrelated books": [],
    "rising books": [],
    "iterator": [("forward_fk", "author", 'select_related("author")')],
    "values": [("forward_fk", "author", 'select_related("author")')],
    "nested": [("reverse_fk", "book_set__tags", 'prefetch_related("book_set__tags")')],
}


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("e2e-lineage")
    postgres = Postgres()
    postgres.query("CREATE DATABASE library", "postgres")
    library(postgres.address, "psycopg", "seed")
    for driver in DRIVERS:
        if options.only in driver:
            with checks.guard(driver):
                each(checks, postgres, driver)
                together(checks, postgres, driver, "all", "connection")
                together(checks, postgres, driver, "pauses", "none")
    return checks.finish()


def library(address, driver, mode):
    """Run cases."""
    command = [sys.executable, LIBRARY, address[0], str(address[1]), "library", driver, mode]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"library.py {driver} {mode}: {done.stdout}{done.stderr}")


def findings(postgres, driver, mode):
    """What pgscope says of N+1 after these cases."""
    with Pgscope(postgres.address) as scope:
        library(scope.address, driver, mode)
        scope.quiet()
        listed = scope.api("findings", limit=1000)
        scope.stop()
    return [finding for finding in listed if finding["detector"] == "n_plus_one"]


def each(checks, postgres, driver):
    """Every case is a request of its own."""
    for case, expected in PROVEN.items():
        listed = findings(postgres, driver, case)
        named = [finding for finding in listed if finding["relation"]]
        said = [(finding["kind"], finding["relation"]) for finding in named]
        checks.equal(said, [(kind, relation) for kind, relation, _ in expected], f"{driver}, {case}: relations")
        for finding, (_, _, fix) in zip(named, expected):
            checks.equal(finding["evidence"], "proven", f"{driver}, {case}: evidence")
            checks.that(finding["fix"].startswith(fix), f"{driver}, {case}: fix", finding["fix"])
    say(f"{driver}: {len(PROVEN)} cases alone")


def together(checks, postgres, driver, mode, boundary):
    """All cases on one connection, as one request, whose limits are known or a guess: the same relations and no other."""
    name = f"{driver}, together, boundary {boundary}"
    listed = findings(postgres, driver, mode)
    # Where one statement is part of several loops, the first link of a chain may be another's: the way is the same.
    said = {finding["relation"] for finding in listed if finding["relation"]}
    expected = {relation for relations in PROVEN.values() for _, relation, _ in relations}
    checks.equal(said - expected, set(), f"{name}: relations that are none")
    checks.equal(expected - said, set(), f"{name}: relations missed")
    checks.equal({finding["boundary"] for finding in listed}, {boundary}, f"{name}: boundary")
    say(f"{driver}: all cases together, boundary {boundary}")


if __name__ == "__main__":
    sys.exit(main())
