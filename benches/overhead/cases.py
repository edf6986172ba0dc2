"""What is run through the tools. A case is a name, a function from a tool to figures, and the tools it is for."""

import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path

import fill
import scrape
from harness.console import say
from harness.process import ROOT
from harness.wire import Wire
from measure import load, memory, pgbench, queries
from pages import pages
from proxies import DIRECT, HAPROXY, PGSCOPE, RELAY

MIX = Path(__file__).parent / "mix"
IDLE = 200
WRITES = 3
GROWN = (RELAY, HAPROXY, PGSCOPE)
LIBPG_QUERY = ROOT / "benches" / "libpg_query"


@dataclasses.dataclass
class Case:
    """`run` gives figures by name, see measure.py; `tools` are the names of those it is for, None is all of them."""

    name: str
    run: Callable
    tools: tuple | None = None


def every(bench):
    """All cases in the order of the table."""
    return [*pgbenches(bench), *bulk(bench), *django(bench), *scrapes(bench), *growth(bench), *memories(bench), normaliser(bench)]


def pgbenches(bench):
    """pgbench's own select, in all protocols; and a connection for each."""
    for mode in ("simple", "extended", "prepared"):
        for clients in (1, 16, 64):
            words = ["-S", "-M", mode]
            yield Case(
                f"{mode} {clients}",
                lambda tool, words=words, clients=clients: pgbench(bench.postgres, tool, "bench", words, clients, bench.seconds),
            )
    churn = ["-S", "-C"]
    yield Case("churn 16", lambda tool: pgbench(bench.postgres, tool, "bench", churn, 16, bench.seconds, expected_tps=1000))


def bulk(bench):
    """Many rows at once."""

    def read(sql):
        return lambda tool: load(bench.postgres, tool, "bench", "read", sql)

    def write_once(tool):
        figures = load(bench.postgres, tool, "bench", "write", "COPY wide_copy FROM STDIN", bench.rows)
        bench.postgres.query("TRUNCATE wide_copy", "bench")
        return figures

    def write(tool):
        # One takes 0.15 or 0.25 s of processor through any tool, as the scheduler has put the processes.
        several = [write_once(tool) for _ in range(WRITES)]
        return {figure: statistics.mean(once[figure] for once in several) for figure in several[0]}

    yield Case("copy to", read("COPY wide TO STDOUT"))
    yield Case("copy from", write)
    yield Case("select", read(f"SELECT * FROM wide LIMIT {bench.rows // 2}"))


def django(bench):
    """Django's queries without Django, and with it."""
    scripts = [word for script in sorted(MIX.glob("*.sql")) for word in ("-f", script)]
    yield Case("mix 16", lambda tool: pgbench(bench.postgres, tool, "shop", scripts, 16, bench.seconds, expected_tps=10_000))
    yield Case("pages", lambda tool: pages(tool, bench.seconds))


def scrapes(bench):
    """The same load with full tables, scraped and left alone."""
    words = ["-S", "-M", "simple"]

    def alone(tool):
        full = bench.extra("full", lambda: filled(bench))
        at_rest = scrape.at_rest(full.admin)
        return {"scrape_ms": at_rest, **pgbench(bench.postgres, full, "bench", words, 16, bench.seconds)}

    def scraped(tool):
        full = bench.extra("full", lambda: filled(bench))
        with scrape.scraping(full.admin) as seconds:
            figures = pgbench(bench.postgres, full, "bench", words, 16, bench.seconds)
        return {"scrapes": len(seconds), "scrape_ms": max(seconds) * 1e3, **figures}

    yield Case("scrape none", alone, (PGSCOPE,))
    yield Case("scrape 100 ms", scraped, (PGSCOPE,))


def filled(bench):
    """A pgscope with full tables."""
    scope = bench.makers[PGSCOPE]()
    entries = fill.fill(bench.postgres, scope)
    say(f"  entries: {' '.join(f'{table} {count}' for table, count in entries.items())}")
    return scope


def growth(bench):
    """More statements, more connections. A pgscope of its own: what is left behind must not weigh on other cases."""

    def asked(statements, clients):
        def run(tool):
            grown = bench.extra("grown", bench.makers[PGSCOPE]) if tool.name == PGSCOPE else tool
            return queries(bench.postgres, grown, "bench", statements, clients, bench.seconds)

        return run

    yield Case("growth 1000 statements", asked(1000, 16), GROWN)
    yield Case("growth 100000 statements", asked(100_000, 16), GROWN)
    yield Case("growth 10 connections", asked(100, 10), GROWN)
    yield Case("growth 500 connections", asked(100, 500), GROWN)


def memories(bench):
    """How large a tool is that has just started and has idle connections, and pgscope with full tables beside."""

    def idle(tool):
        return alone(tool.name, lambda _: None)

    def full(tool):
        return alone(tool.name, lambda scope: fill.fill(bench.postgres, scope))

    def alone(name, bring):
        tool = bench.makers[name]()
        try:
            bring(tool)
            with contextlib.ExitStack() as stack:
                for _ in range(IDLE):
                    wire = stack.enter_context(Wire(tool.address, bench.postgres.user, "shop"))
                    wire.query('SELECT "shop_tag"."id" FROM "shop_tag" LIMIT 21')
                return {key: memory(tool.child.pid, name) for key, name in (("rss_mib", "VmRSS"), ("peak_mib", "VmHWM"))}
        finally:
            tool.stop()

    proxies = tuple(name for name in bench.makers if name != DIRECT)
    yield Case("memory idle", idle, proxies)
    yield Case("memory full", full, (PGSCOPE,))


def normaliser(bench):
    """pgscope's normaliser and libpg_query's fingerprint, from criterion; no tool is between."""
    target = LIBPG_QUERY / "target"

    def run(_):
        words = ["cargo", "bench", "--quiet", "--", *(["--quick"] if bench.quick else [])]
        env = {**os.environ, "CARGO_TARGET_DIR": str(target)}
        done = subprocess.run(words, cwd=LIBPG_QUERY, env=env, capture_output=True, text=True)
        if done.returncode:
            say(f"libpg_query cannot be built here, the normaliser is not compared: {done.stderr.strip()[-300:]}")
            return None
        return estimates(target / "criterion" / "django mix")

    return Case("normaliser", run, (DIRECT,))


def estimates(folder):
    """MB/s and ns per query of both."""
    figures = {}
    for name in ("pgscope", "libpg_query"):
        nanos = json.loads((folder / name / "new" / "estimates.json").read_text())["median"]["point_estimate"]
        mix = json.loads((folder / name / "new" / "benchmark.json").read_text())["throughput"]["ElementsAndBytes"]
        figures[f"{name}_mb_s"] = mix["bytes"] / nanos * 1e3
        figures[f"{name}_ns_query"] = nanos / mix["elements"]
    return figures
