"""The medians as bars, in SVG.

Usage: plot.py FIGURES.json PLOT.svg, the figures from `run.py --json`.
"""

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from proxies import DIRECT, HAPROXY, OFF, PGBOUNCER, PGSCOPE, RELAY
from table import median

TOOLS = [DIRECT, HAPROXY, PGBOUNCER, RELAY, OFF, PGSCOPE]
CASES = {
    "simple 16": "pgbench -S, simple, 16 clients",
    "extended 16": "pgbench -S, extended, 16 clients",
    "prepared 16": "pgbench -S, prepared, 16 clients",
    "mix 16": "Django's queries, 16 clients",
}
PANEL, BAR, GAP, TOP, LABEL, NUMBER = 300, 13, 4, 76, 82, 52
LEFT = [LABEL + 20, LABEL + 20 + PANEL + NUMBER + LABEL + 30]
WIDTH = LEFT[1] + PANEL + NUMBER + 10
# Greys and a blue that can be read on white and on black alike.
STYLE = """
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a }
.title { font-size: 14px; font-weight: 600 }
.case { font-weight: 600 }
.tool { text-anchor: end }
.other { fill: #a5adb8 }
.direct { fill: #d0d5db }
.off { fill: #7fb2e8 }
.pgscope { fill: #1f77d0 }
@media (prefers-color-scheme: dark) {
  text { fill: #b6bec8 }
  .other { fill: #6b7480 }
  .direct { fill: #4a525c }
  .off { fill: #3f6fa3 }
  .pgscope { fill: #4ba0f5 }
}
"""
CLASSES = {PGSCOPE: "pgscope", OFF: "off", DIRECT: "direct"}


def svg(result):
    """Two panels: what a proxy spends a query, and how many queries a second go through."""
    runs = result["runs"]
    parts, y = [], TOP
    spent = [median(runs, case, tool, "cpu_us") for case in CASES for tool in TOOLS]
    most = max((value for value in spent if value), default=1)
    for case, title in CASES.items():
        tools = [tool for tool in TOOLS if median(runs, case, tool, "tps")]
        if not tools:
            continue
        fastest = max(median(runs, case, tool, "tps") for tool in tools)
        parts += [text(left, y, title, "case") for left in LEFT]
        y += 8
        proxies = [tool for tool in tools if tool != DIRECT]
        costs = [(tool, median(runs, case, tool, "cpu_us"), most, "{:.1f}") for tool in proxies]
        speeds = [(tool, median(runs, case, tool, "tps"), fastest, "{:.0f}") for tool in tools]
        for left, bars in zip(LEFT, (costs, speeds)):
            for place, bar_of in enumerate(bars):
                parts.append(bar(left, y + place * (BAR + GAP), *bar_of))
        y += len(tools) * (BAR + GAP) + 26
    titles = ["CPU µs a query, of the proxy: less is better", "Queries a second: more is better"]
    parts += [text(left, 24, title, "title") for left, title in zip(LEFT, titles)]
    words = f"{result['cpus']} CPUs for client, proxy and server; medians of {result['rounds']} rounds of {result['seconds']} s"
    parts.append(text(LEFT[0], 44, words, ""))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y - 10}" width="{WIDTH}" height="{y - 10}" role="img">'
    return "\n".join([head, "<title>What a proxy costs</title>", f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def bar(left, y, tool, value, largest, form):
    """One bar between the tool's name and the value."""
    length = max(1, value / largest * PANEL)
    shape = f'<rect class="{CLASSES.get(tool, "other")}" x="{left}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'
    name = text(left - 6, y + BAR - 3, tool, "tool")
    return shape + name + text(round(left + length + 6, 1), y + BAR - 3, form.format(value), "")


def text(x, y, words, kind):
    """Words at a place."""
    return f'<text x="{x}" y="{y}" class="{kind}">{escape(words)}</text>'


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(svg(json.loads(Path(sys.argv[1]).read_text())))
