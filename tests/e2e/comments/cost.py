"""What the comments cost: CPU time of the shop's pages with and without them, in turns in one process.

Run by ../comments.py --cost in the folder of the shop.
"""

import os
import statistics
import sys
import time
from pathlib import Path

sys.path[:0] = [os.getcwd(), str(Path(__file__).resolve().parents[1])]
os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"

import django

django.setup()

import pgscope_comments
from django.conf import settings
from django.db import connection
from django.test import Client
from harness.traffic import plan

TURNS = 120
PATHS = [path for path in plan(1, executemany=True, errors=False) if path not in ("/zero/", "/planted/slow/")]


def visit(client):
    """(CPU seconds, wall seconds) of every page once."""
    cpu, wall = time.process_time(), time.perf_counter()
    for path in PATHS:
        assert client.get(path).status_code in (200, 302), path
    return time.process_time() - cpu, time.perf_counter() - wall


def without():
    """A client of the shop without the file."""
    settings.MIDDLEWARE.remove("pgscope_comments.middleware")
    try:
        client = Client(headers={"host": "localhost"})
        client.handler.load_middleware()
        return client
    finally:
        settings.MIDDLEWARE.insert(0, "pgscope_comments.middleware")


def main():
    commented, bare = Client(headers={"host": "localhost"}), without()
    times = {commented: [], bare: []}
    for turn in range(TURNS):
        for client in (commented, bare) if turn % 2 else (bare, commented):
            wrappers = connection.execute_wrappers
            wrappers[:] = [pgscope_comments._comment] if client is commented else []
            measured = visit(client)
            if turn >= TURNS // 10:  # caches are warm
                times[client].append(measured)
    for index, word in enumerate(("CPU of the application", "wall")):
        with_it, without_it = (statistics.median(one[index] for one in times[client]) for client in (commented, bare))
        # Of neighbours in time, so that what else the machine does matters little.
        share = statistics.median(one[index] / other[index] - 1 for one, other in zip(times[commented], times[bare]))
        print(f"{word}: {without_it * 1e3:.2f} ms without, {with_it * 1e3:.2f} ms with comments, {share:+.1%} ({len(PATHS)} pages)")


if __name__ == "__main__":
    main()
