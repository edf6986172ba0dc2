"""What has to hold in one run: "as cheap as a bare relay" in numbers.

Two tools are compared round by round, and the median of that counts: a machine that becomes slower in the course of a run
hits both sides of each round. Of two medians, each might be of another round.
"""

import statistics
from operator import sub, truediv

from proxies import DIRECT, HAPROXY, OFF, PGSCOPE, RELAY, SINGLE
from table import by_round, median

GROWTH = [
    ("100,000 statements to 1,000", "growth 100000 statements", "growth 1000 statements"),
    ("500 connections to 10", "growth 500 connections", "growth 10 connections"),
]


def every(runs):
    """(what, value or None, relation, bound); without a bound it is only shown."""

    def of(case, tool, figure):
        return median(runs, case, tool, figure)

    def paired(how, one, other):
        """Both are (case, tool, figure)."""
        ones, others = by_round(runs, *one), by_round(runs, *other)
        seen = [how(ones[turn], others[turn]) for turn in ones if others.get(turn)]
        return statistics.median(seen) if seen else None

    def ratio(case, figure, tool, other=None):
        """pgscope's figure to the tool's, or to its own in another case."""
        return paired(truediv, (case, PGSCOPE, figure), (other or case, tool, figure))

    def more(case):
        return paired(sub, (case, PGSCOPE, "cpu_us"), (case, OFF, "cpu_us"))

    for mode in ("simple", "prepared"):
        for tool in (RELAY, HAPROXY):
            yield f"{mode} 16: CPU a query to {tool}", ratio(f"{mode} 16", "cpu_us", tool), "<=", 1.15
        # It does not do the same: it leaves a processor to the others. To see it beside.
        yield f"{mode} 16: CPU a query to the {SINGLE}", ratio(f"{mode} 16", "cpu_us", SINGLE), "", None
        yield f"{mode} 16: CPU µs a query that profiling adds", more(f"{mode} 16"), "<=", 1.0
    for mode in ("simple", "extended", "prepared"):
        for clients in (16, 64):
            yield f"{mode} {clients}: tps to HAProxy", ratio(f"{mode} {clients}", "tps", HAPROXY), ">=", 0.97
        yield f"{mode} 16: p99 to the bare relay", ratio(f"{mode} 16", "p99_us", RELAY), "<=", 1.05
        yield f"{mode} 16: p99 to the {SINGLE}", ratio(f"{mode} 16", "p99_us", SINGLE), "", None
    yield "mix 16: CPU µs a query that profiling adds", more("mix 16"), "<=", 2.0
    for case in ("copy to", "copy from", "select"):
        yield f"{case}: CPU to HAProxy", ratio(case, "cpu_s", HAPROXY), "<=", 1.10
    yield "normaliser: MB/s of Django's queries", of("normaliser", DIRECT, "pgscope_mb_s"), ">=", 500
    faster = paired(truediv, ("normaliser", DIRECT, "pgscope_mb_s"), ("normaliser", DIRECT, "libpg_query_mb_s"))
    yield "normaliser: times libpg_query's fingerprint", faster, ">=", 10
    yield "memory: MiB with 200 idle connections", of("memory idle", PGSCOPE, "rss_mib"), "<=", 20
    yield "memory: MiB with full tables", of("memory full", PGSCOPE, "rss_mib"), "<=", 64
    yield "scrape: ms with full tables", of("scrape none", PGSCOPE, "scrape_ms"), "<=", 20
    yield "scrape: p99 scraped to left alone", ratio("scrape 100 ms", "p99_us", PGSCOPE, "scrape none"), "<=", 1.05
    for what, more_of, less_of in GROWTH:
        name = f"growth: CPU a query at {what}"
        yield name, ratio(more_of, "cpu_us", PGSCOPE, less_of), "<=", 1.10
        # What the kernel and the caches make of it, to see it beside.
        yield f"{name}, the bare relay", paired(truediv, (more_of, RELAY, "cpu_us"), (less_of, RELAY, "cpu_us")), "", None


def report(runs):
    """Print each mark; 1 where one is missed."""
    missed = unknown = 0
    print()
    for what, value, relation, bound in every(runs):
        if bound is None:
            verdict = ""
        elif value is None:
            verdict = "not measured"
            unknown += 1
        else:
            holds = value <= bound if relation == "<=" else value >= bound
            verdict = "ok" if holds else "MISS"
            missed += not holds
        seen = "" if value is None else f"{value:.2f}"
        asked = "" if bound is None else f"{relation} {bound}"
        print(f"{what:65} {seen:>8} {asked:8} {verdict}")
    print(f"{missed} missed, {unknown} not measured", flush=True)
    return 1 if missed else 0
