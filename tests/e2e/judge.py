"""pg_stat_statements as the judge of counts and grouping: over 10,000 queries, statement by statement.

Usage: judge.py. Binaries: PGSCOPE_BIN (release build) and NORMALISE_BIN (example `normalise`).

Where the two may differ, and why (everything else must be equal):
- transaction control, FETCH and CLOSE are compared by verb (`queries_total`), not by statement;
- a query that failed is not in pg_stat_statements, which counts at the end of an execution;
- `LIMIT 1` and `LIMIT 21` are two statements for us and one for the server: compared after merging;
- the server lists the queries that it runs itself to check foreign keys at COMMIT; nobody sent those.
"""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

from harness.console import Checks, say
from harness.postgres import Postgres
from harness.process import target
from harness.servers import Gunicorn, Pgscope, binary, seeded
from harness.traffic import drive, plan

ROUNDS = 85
CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "FETCH", "CLOSE")
# The label is cut at 1 KiB; both sides are compared by this much of the text.
COMPARED = 900
FAILING = {
    'INSERT INTO "shop_book"': "duplicate_key",
    "SELECT nothing FROM shop_missing": ("missing_outside", "missing_inside"),
}


def main():
    binary()  # ends here where there is none
    checks = Checks("e2e-judge")
    postgres = Postgres()
    if not postgres.statements:
        say("skipped: this PostgreSQL comes without pg_stat_statements")
        return 0
    postgres.query("CREATE EXTENSION pg_stat_statements", "postgres")
    database = postgres.clone("judged", seeded(postgres))
    postgres.query("SELECT pg_stat_statements_reset()", "postgres")
    with Pgscope(postgres.address) as scope:
        with Gunicorn(scope.address, database, conn_max_age=600, conn_health_checks=1) as shop:
            records = drive(shop.address, plan(ROUNDS, executemany=True), progress=500)
        scope.quiet()
        with checks.guard("judge"):
            compare(checks, scope, served(postgres, database), records)
    return checks.finish()


def served(postgres, database):
    """(text, calls) of each statement the server ran in the database."""
    sql = """SELECT query, calls FROM pg_stat_statements AS s JOIN pg_database AS d ON d.oid = s.dbid
             WHERE datname = '%s' AND toplevel""" % database
    return [(text, int(calls)) for text, calls in postgres.query(sql, "postgres")]


def compare(checks, scope, rows, records):
    """Control statements by verb, all others by text."""
    metrics = scope.metrics()
    views = Counter(record.view for record in records)
    seen = metrics.total("queries_total")
    say(f"{int(seen)} queries by pgscope's count, {sum(calls for _, calls in rows)} calls by the server's")
    checks.that(seen >= 10_000, "the run has at least 10,000 queries", seen)

    texts = normalised([text for text, _ in rows])
    server, control = Counter(), Counter()
    for (raw, calls), text in zip(rows, texts):
        verb = raw.split(None, 1)[0].rstrip(";").upper()
        if verb in CONTROL:
            control[verb] += calls
        elif not foreign_key_check(raw):
            server[key(text)] += calls

    for verb in CONTROL:
        # `queries_total` names verbs as it likes in case; a failed one is not in the server's table.
        ours = sum(value for labels, value in metrics.rows("queries_total", status="ok") if labels["verb"].upper() == verb)
        checks.equal(ours, control[verb], f"judge: {verb} by verb")

    calls = metrics.by("statement_calls_total", "fingerprint")
    checks.that(not calls.get("other"), "judge: every statement has its own row", calls.get("other"))
    ours = Counter()
    for labels, _ in metrics.rows("statement_info"):
        text = labels["query"]
        if text and text.split(None, 1)[0].upper() not in CONTROL:
            ours[key(text)] += int(calls.get(labels["fingerprint"], 0))
    for start, failing in FAILING.items():
        failed = sum(views[view] for view in ([failing] if isinstance(failing, str) else failing))
        matches = [text for text in ours if text.startswith(start)]
        if checks.equal(len(matches), 1, f"judge: one failing statement `{start}`"):
            ours[matches[0]] -= failed
    ours = +ours
    for text in sorted({*ours, *server}):
        checks.equal(ours[text], server[text], f"judge: calls of {text[:150]}")
    say(f"compared {len(server)} statements")


def foreign_key_check(text):
    """`ri_triggers.c`: SELECT 1 FROM ONLY <table> x WHERE … FOR KEY SHARE OF x."""
    return text.startswith("SELECT") and " FROM ONLY " in text and text.endswith(" FOR KEY SHARE OF x")


def key(text):
    """What both sides are compared by."""
    return re.sub(r"\bLIMIT \d+", "LIMIT ?", text)[:COMPARED]


def normalised(texts):
    """Our normal form of each text, from the example program."""
    program = os.environ.get("NORMALISE_BIN") or target() / "debug" / "examples" / "normalise"
    done = subprocess.run([program], input="\0".join(texts).encode(), stdout=subprocess.PIPE, check=True)
    lines = done.stdout.decode().splitlines()
    if len(lines) != len(texts):
        raise AssertionError(f"{len(texts)} texts in, {len(lines)} lines out")
    return [line.partition("\t")[2] for line in lines]


if __name__ == "__main__":
    sys.exit(main())
