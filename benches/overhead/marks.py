"""What has to hold between the medians of one run: "as cheap as a bare relay" in numbers."""

from proxies import DIRECT, HAPROXY, OFF, PGSCOPE, RELAY
from table import median


def every(runs):
    """(what, value or None, relation, bound)."""

    def of(case, tool, figure):
        return median(runs, case, tool, figure)

    def ratio(case, figure, tool, other=None):
        """pgscope's figure to the tool's, or to its own in another case."""
        return over(of(case, PGSCOPE, figure), of(other or case, tool, figure))

    def more(case):
        return less(of(case, PGSCOPE, "cpu_us"), of(case, OFF, "cpu_us"))

    for mode in ("simple", "prepared"):
        for tool in (RELAY, HAPROXY):
            yield f"{mode} 16: CPU a query to {tool}", ratio(f"{mode} 16", "cpu_us", tool), "<=", 1.15
        yield f"{mode} 16: CPU µs a query that profiling adds", more(f"{mode} 16"), "<=", 1.0
    for mode in ("simple", "extended", "prepared"):
        for clients in (16, 64):
            yield f"{mode} {clients}: tps to HAProxy", ratio(f"{mode} {clients}", "tps", HAPROXY), ">=", 0.97
        yield f"{mode} 16: p99 to the bare relay", ratio(f"{mode} 16", "p99_us", RELAY), "<=", 1.05
    yield "mix 16: CPU µs a query that profiling adds", more("mix 16"), "<=", 2.0
    for case in ("copy to", "copy from", "select"):
        yield f"{case}: CPU to HAProxy", ratio(case, "cpu_s", HAPROXY), "<=", 1.10
    speed = of("normaliser", DIRECT, "pgscope_mb_s")
    yield "normaliser: MB/s of Django's queries", speed, ">=", 500
    yield "normaliser: times libpg_query's fingerprint", over(speed, of("normaliser", DIRECT, "libpg_query_mb_s")), ">=", 10
    yield "memory: MiB with 200 idle connections", of("memory idle", PGSCOPE, "rss_mib"), "<=", 20
    yield "memory: MiB with full tables", of("memory full", PGSCOPE, "rss_mib"), "<=", 64
    yield "scrape: ms with full tables", of("scrape none", PGSCOPE, "scrape_ms"), "<=", 20
    yield "scrape: p99 scraped to left alone", ratio("scrape 100 ms", "p99_us", PGSCOPE, "scrape none"), "<=", 1.05
    more_statements = ratio("growth 100000 statements", "cpu_us", PGSCOPE, "growth 1000 statements")
    yield "growth: CPU a query at 100,000 statements to 1,000", more_statements, "<=", 1.10
    more_connections = ratio("growth 500 connections", "cpu_us", PGSCOPE, "growth 10 connections")
    yield "growth: CPU a query at 500 connections to 10", more_connections, "<=", 1.10


def over(one, other):
    """The quotient of what was measured."""
    return one / other if one is not None and other else None


def less(one, other):
    """The difference of what was measured."""
    return one - other if None not in (one, other) else None


def report(runs):
    """Print each mark; 1 where one is missed."""
    missed = unknown = 0
    print()
    for what, value, relation, bound in every(runs):
        if value is None:
            verdict = "not measured"
            unknown += 1
        else:
            holds = value <= bound if relation == "<=" else value >= bound
            verdict = "ok" if holds else "MISS"
            missed += not holds
        seen = "" if value is None else f"{value:.2f}"
        print(f"{what:55} {seen:>8} {relation} {bound:<6} {verdict}")
    print(f"{missed} missed, {unknown} not measured", flush=True)
    return 1 if missed else 0
