"""Medians over the rounds, and the tables made of them."""

import statistics

from proxies import DIRECT

BULK = ("copy to", "copy from", "select")
# Cases with a table of their own.
APART = ("memory", "normaliser")


def by_round(runs, case, tool, figure):
    """Number of the round to the figure, where there is one."""
    found = {run["round"]: run["figures"].get(figure) for run in runs if (run["case"], run["tool"]) == (case, tool)}
    return {turn: value for turn, value in found.items() if value is not None}


def median(runs, case, tool, figure):
    """The median of a figure over the rounds; None where there is none."""
    values = by_round(runs, case, tool, figure).values()
    return statistics.median(values) if values else None


def order(runs, key):
    """Names in the order of their first run."""
    return list(dict.fromkeys(run[key] for run in runs))


def short(figures):
    """One line of figures for the progress."""
    return ", ".join(f"{name} {number(value)}" for name, value in figures.items() if isinstance(value, (int, float)))


def number(value, digits=1):
    """A number as people read it; nothing for None."""
    if value is None:
        return ""
    return f"{value:.0f}" if value == int(value) or value >= 1000 else f"{value:.{digits}f}"


def markdown(runs):
    """All tables: what takes queries, what takes bytes, what takes memory, the normaliser."""
    names = order(runs, "case")
    tools = order(runs, "tool")
    tables = [
        queries(runs, [name for name in names if not name.startswith(APART) and name not in BULK], tools),
        bulk(runs, [name for name in names if name in BULK], tools),
        memory(runs, [name for name in names if name.startswith("memory")], tools),
        normaliser(runs),
    ]
    return "\n\n".join(filter(None, tables))


def lines(head, rows):
    """A table in Markdown; nothing without rows."""
    if not rows:
        return ""
    rule = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


def queries(runs, names, tools):
    """Cases of many small answers. A page is one transaction of the client and some queries of the proxy."""
    rows = []
    for name in names:
        base = median(runs, name, DIRECT, "tps")
        for tool in tools:
            tps = median(runs, name, tool, "tps")
            if tps is None:
                continue
            share = f"{tps / base:.0%}" if base else ""
            latencies = [number(median(runs, name, tool, key), 0) for key in ("p50_us", "p99_us")]
            cpu = median(runs, name, tool, "cpu_us")
            spent = "" if cpu is None else f"{cpu:.2f}"
            rows.append([name, tool, f"{tps:.0f}", share, *latencies, spent, number(median(runs, name, tool, "rss_mib"))])
    return lines(["case", "through", "tps", "of direct", "p50 µs", "p99 µs", "CPU µs/query", "RSS MiB"], rows)


def bulk(runs, names, tools):
    """Cases of one large answer or request."""
    rows = []
    for name in names:
        for tool in tools:
            seconds = median(runs, name, tool, "seconds")
            if seconds is None:
                continue
            amount = median(runs, name, tool, "bytes") / 1e6
            cpu = median(runs, name, tool, "cpu_s")
            spent = "" if cpu is None else f"{cpu:.3f}"
            rss = number(median(runs, name, tool, "rss_mib"))
            rows.append([name, tool, f"{amount:.0f}", f"{seconds:.2f}", f"{amount / seconds:.0f}", spent, rss])
    return lines(["case", "through", "MB", "seconds", "MB/s", "CPU s", "RSS MiB"], rows)


def memory(runs, names, tools):
    """What a tool that has just started needs."""
    rows = []
    for name in names:
        for tool in tools:
            rss = median(runs, name, tool, "rss_mib")
            if rss is not None:
                rows.append([name, tool, f"{rss:.1f}", f"{median(runs, name, tool, 'peak_mib'):.1f}"])
    return lines(["case", "tool", "RSS MiB", "peak MiB"], rows)


def normaliser(runs):
    """pgscope's and libpg_query's."""
    rows = []
    for name in ("pgscope", "libpg_query"):
        speed = median(runs, "normaliser", DIRECT, f"{name}_mb_s")
        if speed:
            rows.append([name, f"{speed:.1f}", f"{median(runs, 'normaliser', DIRECT, f'{name}_ns_query'):.0f}"])
    return lines(["normaliser", "MB/s", "ns/query"], rows)
