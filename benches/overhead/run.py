"""What a proxy costs: the same load straight, through HAProxy, PgBouncer, a bare relay, and pgscope with its profiling on
and off, in interleaved rounds.

Usage: run.py [--rounds N] [--seconds N] [--cases WORD,...] [--tools NAME,...] [--json FILE] [--plot FILE] [--marks] [--quick].
Prints a table in Markdown. `--marks` also prints the ratios that pgscope has to keep, and fails where one is missed.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "e2e"))
from harness.venv import run_in_venv

run_in_venv()

import cases
import database
import marks
import plot
import table
from harness.console import say
from harness.process import ROOT
from proxies import DIRECT, HAPROXY, OFF, PGBOUNCER, PGSCOPE, RELAY, SINGLE, start

TOOLS = [DIRECT, HAPROXY, PGBOUNCER, RELAY, SINGLE, PGSCOPE, OFF]
# Enough to see that everything runs; the figures mean nothing.
QUICK = ["simple 16", "prepared 16", "copy to", "mix 16", "pages"]


class Bench:
    """What the cases need to know."""

    def __init__(self, options):
        self.quick, self.seconds = options.quick, options.seconds
        self.rows = 50_000 if options.quick else 1_000_000
        self.postgres = database.server(self.rows)
        self.makers = start(self.postgres, options.tools, options.off_flag)
        self.tools = {}
        self.extras = {}

    def start(self):
        """Start each tool anew. Where in memory a process has come to lie is worth some per cent of its time: no tool is to
        keep what it has drawn for all rounds."""
        for tool in self.tools.values():
            tool.stop()
        for name, make in self.makers.items():
            say(f"starting {name}")
            self.tools[name] = named(name, make())

    def extra(self, name, make):
        """A tool beside the usual ones, started when it is first needed."""
        if name not in self.extras:
            self.extras[name] = make()
        return self.extras[name]


def named(name, tool):
    """The tool with its name."""
    tool.name = name
    return tool


def arguments():
    """The command line."""
    options = argparse.ArgumentParser()
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=4, help="of each run of a client")
    options.add_argument("--cases", help="only those whose names begin with one of these words, with commas between them")
    options.add_argument("--tools", default=",".join(TOOLS), help="names with commas between them")
    options.add_argument("--off-flag", default="--proxy-profiling=false", help="what turns the profiling of pgscope off")
    options.add_argument("--json", type=Path, help="write all figures of all rounds to this file")
    options.add_argument("--plot", type=Path, help="write an SVG to this file")
    options.add_argument("--marks", action="store_true", help="print what has to hold, and fail where it does not")
    options.add_argument("--quick", action="store_true", help="one round of 1 s of few cases, to try this script")
    options = options.parse_args()
    if options.quick:
        options.rounds = options.seconds = 1
        options.cases = options.cases or ",".join(QUICK)
    options.tools = options.tools.split(",")
    if unknown := set(options.tools) - set(TOOLS):
        sys.exit(f"no such tool: {', '.join(sorted(unknown))}; there are {', '.join(TOOLS)}")
    return options


def choose(bench, words):
    """The cases whose names begin with one of the words; all of them without words."""
    known = list(cases.every(bench))
    for word in words or []:
        if not any(case.name.startswith(word) for case in known):
            sys.exit(f"no case begins with {word}: there are {', '.join(case.name for case in known)}")
    return [case for case in known if not words or case.name.startswith(tuple(words))]


def one_round(bench, chosen, turn, rounds):
    """[{round, case, tool, figures}]. Each round and each case begins with another tool."""
    runs = []
    bench.start()
    for place, case in enumerate(chosen):
        names = [name for name in bench.tools if case.tools is None or name in case.tools]
        first = (turn + place) % len(names) if names else 0
        for name in names[first:] + names[:first]:
            figures = case.run(bench.tools[name])
            if figures:
                say(f"round {turn + 1} of {rounds}: {case.name}: {name}: {table.short(figures)}")
                runs.append({"round": turn, "case": case.name, "tool": name, "figures": figures})
    return runs


def main():
    options = arguments()
    say("building the bare relay and the load")
    build = ["cargo", "build", "--release", "--quiet", "--example", "bare_relay", "--example", "load"]
    subprocess.run(build, cwd=ROOT, check=True)
    bench = Bench(options)
    chosen = choose(bench, options.cases and options.cases.split(","))
    result = {
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rows": bench.rows,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "runs": [],
    }
    for turn in range(options.rounds):
        result["runs"] += one_round(bench, chosen, turn, options.rounds)
        # After each round: a run that is cut short keeps what it has seen.
        if options.json:
            options.json.write_text(json.dumps(result, indent=1) + "\n")
    print(f"\n{options.rounds} rounds of {options.seconds} s, medians, {os.cpu_count()} CPUs\n")
    print(table.markdown(result["runs"]), flush=True)
    if options.plot:
        options.plot.write_text(plot.svg(result))
    return marks.report(result["runs"]) if options.marks else 0


if __name__ == "__main__":
    sys.exit(main())
