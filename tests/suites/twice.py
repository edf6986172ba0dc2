"""A suite run directly and through pgscope between two tees: the same must pass, and the same bytes must arrive."""

import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE / "sequences")]

import majors
import tee
from harness.console import say

# Encryption ends at pgscope, which answers the request for it: the tees compare what is neither.
PLAIN = {"PGSSLMODE": "disable", "PGGSSENCMODE": "disable"}


def judge(checks, name, run, programs, least=100, port=0, flaky=(), lost=(), arguments=()):
    """Runs a suite twice and compares.

    `run(server, address)` runs it against a server, by its address or the one in front of it, and returns each test's
    outcome. `flaky` are tests that may end either way through any proxy. `lost` are reasons for which pgscope may count
    losses. `port` is where the suite expects a server.
    """
    # A server each: what the first run leaves behind is nobody's.
    server = majors.Server(programs, port=port)
    direct = run(server, server.address)
    server.child.stop()
    say(f"{name}, direct: {counted(direct)}")
    server = majors.Server(programs)
    with tee.Pair(server.address, *arguments, port=port) as pair:
        through = run(server, pair.address)
        report = pair.finish()
        metrics = pair.scope.metrics()
        log = pair.scope.log()
        say(f"{name}, through: {counted(through)}")
        say(f"{name}: {tee.judge(checks, name, report)}")
        say(f"{name}: pgscope counted {metrics.total('queries_total'):.0f} queries in "
            f"{metrics.total('connections_total'):.0f} connections")
        for metric, what in (("sessions_blind_total", "session is blind"), ("events_dropped_total", "event is dropped")):
            counts = losses(metrics, metric)
            documented = {reason: counts.pop(reason) for reason in lost if reason in counts}
            if documented:
                say(f"{name}: documented: {metric} {documented}")
            checks.equal(counts, {}, f"{name}: no {what}" + (" but the documented" if lost else ""))
        checks.that("panic" not in log, f"{name}: pgscope's log tells of no panic", log[-2000:])
        checks.equal(pair.stop(), 0, f"{name}: pgscope exits with 0")
    server.child.stop()
    for test in sorted(test for test, outcome in direct.items() if outcome not in ("ok", "skipped")):
        say(f"{name}: fails without pgscope too: {test}")
    checks.that(len(direct) >= least, f"{name}: at least {least} tests ran", len(direct))
    different = {
        test: (direct.get(test, "not run"), through.get(test, "not run"))
        for test in {**direct, **through}
        if direct.get(test) != through.get(test)
    }
    for test in set(flaky) & set(different):
        say(f"{name}: {test} ended {different.pop(test)}, and may")
    checks.equal(different, {}, f"{name}: each test ends the same")


def counted(outcomes):
    """How many tests ended how, in words."""
    kinds = Counter(outcome if outcome in ("ok", "skipped") else "failed" for outcome in outcomes.values())
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))


def losses(metrics, name):
    """What a metric counts, by reason."""
    return {reason: value for reason, value in metrics.by(name, "reason").items() if value}


def recorded(record):
    """Outcome by unittest of what record/sitecustomize.py wrote; the worst where a test has several."""
    rank = ["ok", "skipped", "failed"]
    outcomes = {}
    for line in record.read_text().splitlines():
        outcome, test = line.split(" ", 1)
        outcomes[test] = max(outcome, outcomes.get(test, "ok"), key=rank.index)
    return outcomes
