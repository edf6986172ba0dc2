"""Soak: what is left behind by many connections, and what is lost or mixed up under faults.

Usage: soak.py [--connections N] [--held N] [--minutes M] [--seed S] [--only WORD]. The figures of `make soak` are the
defaults; tests/heavy/run.py runs shorter ones.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

import soak_connections
import soak_mixed
from harness.console import Checks, say
from harness.servers import binary


def short_connections(checks, _postgres, _start):
    """Connections that come and go while others stay leave nothing behind."""
    soak_connections.run(checks, count=5000, held=100)


def short_mixed(checks, _postgres, _start):
    """Under a fault every second no query is lost, doubled or mixed up."""
    soak_mixed.run(checks, minutes=2 / 3, seed=random.randrange(1 << 32), crashes=1)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--connections", type=int, default=100_000)
    options.add_argument("--held", type=int, default=500)
    options.add_argument("--minutes", type=float, default=10)
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--only", default="", help="connections or mixed")
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("soak")
    parts = {
        "connections": lambda: soak_connections.run(checks, options.connections, options.held),
        "mixed": lambda: soak_mixed.run(checks, options.minutes, options.seed, crashes=2),
    }
    for part, run in parts.items():
        if options.only in part:
            say(f"{part}:")
            with checks.guard(part):
                run()
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
