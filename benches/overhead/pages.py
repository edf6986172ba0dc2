"""Django pages: the shop behind Gunicorn, its database behind the tool."""

import time

from harness.servers import Gunicorn
from harness.traffic import Shopper, at_once
from measure import Cost, percentiles

PATHS = ["/book/{n}/", "/books/", "/books/tagged/", "/books/page/{page}/", "/authors/", "/stats/", "/planted/forward/"]


def pages(tool, seconds):
    """GET pages from some clients at once; pages per second are its `tps`."""
    with Gunicorn(tool.address, "shop", sqlcommenter=1, conn_max_age=60) as shop:
        visit(shop.address, 0.3)
        cost = Cost(tool)
        start = time.monotonic()
        visits = visit(shop.address, seconds)
        elapsed = time.monotonic() - start
        queries = sum(queries for queries, _ in visits)
        figures = {"pages": len(visits), "queries": queries, "tps": len(visits) / elapsed, **cost.figures(queries)}
    return {**figures, **percentiles(micros for _, micros in visits)}


def visit(address, seconds):
    """(queries of the page, µs) of each visit."""
    until = time.monotonic() + seconds

    def client(number):
        shopper = Shopper(address)
        visits = []
        while (start := time.monotonic()) < until:
            turn = number + len(visits)
            path = PATHS[turn % len(PATHS)].format(n=turn % 150 + 1, page=turn % 8 + 1)
            record = shopper.get(path)
            if record.status != 200:
                raise AssertionError(f"{path}: status {record.status}")
            visits.append((record.queries, (time.monotonic() - start) * 1e6))
        return visits

    return at_once(client)
