"""Heavy transparency tests: everyone else's tools, sizes and numbers through pgscope.

Usage: run.py [--direct] [--only WORD]. --direct leaves pgscope out, to try the tests alone.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv()

import memory
import privacy
import soak
import tools
from harness.console import Checks, say
from harness.postgres import Postgres
from harness.servers import Direct, Pgscope, binary

TESTS = [
    tools.pgbench,
    tools.pipeline,
    tools.dump_and_restore,
    memory.large_row,
    memory.large_copy,
    memory.many_literals,
    memory.many_statements,
    privacy.secrets,
    privacy.many_users,
]
# They have servers of their own, and measure pgscope.
SOAKS = [soak.short_connections, soak.short_mixed]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--direct", action="store_true")
    options.add_argument("--only", default="")
    options = options.parse_args()
    if not options.direct:
        binary()  # ends here where there is none
    checks = Checks("heavy")
    postgres = Postgres()
    start = (lambda *_: Direct(postgres.address)) if options.direct else lambda *words: Pgscope(postgres.address, *words)
    if options.direct:
        say("short_connections, short_mixed: skipped, they need pgscope")
    for test in TESTS if options.direct else TESTS + SOAKS:
        if options.only in test.__name__:
            say(f"{test.__name__}: {test.__doc__.splitlines()[0]}")
            with checks.guard(test.__name__):
                test(checks, postgres, start)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
