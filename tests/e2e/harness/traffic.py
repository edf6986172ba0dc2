"""Drives the shop and writes down what its responses say."""

import http.client
import random
import threading
from collections import Counter, defaultdict, namedtuple
from concurrent.futures import ThreadPoolExecutor

from .console import say

# route as Django's resolver shows it; queries and slowest (seconds) as the app itself saw them.
Record = namedtuple("Record", "route view queries slowest status")

CLIENTS = 4
ERRORS = ["/duplicate/{n}/", "/missing/outside/", "/missing/inside/"]
GOOD = [
    "/book/{n}/",
    "/books/",
    "/books/tagged/",
    "/books/page/{page}/",
    "/authors/",
    "/stats/",
    "/export/",
    "/order/{n}/",
    "/tag/tag-{page}/",
    "/tag/new-{serial}/",
    "/reviews/{n}/add/",
    "/raw/",
    "/account/",
    "/zero/",
]
PSYCOPG3 = ["/publishers/rename/{n}/"]
PLANTED = [f"/planted/{name}/" for name in ("forward", "reverse", "tags", "counts", "same", "dozen")]
SLOW = ["/planted/slow/"]


def plan(rounds, *, executemany, errors=True):
    """Paths in a fixed order: per round every page once, the slow one in every tenth."""
    dice = random.Random(rounds)
    pages = GOOD + (ERRORS if errors else []) + PLANTED + (PSYCOPG3 if executemany else [])
    paths = []
    for turn in range(rounds):
        turns = [page.format(n=turn % 150 + 1, page=turn % 8 + 1, serial=turn) for page in pages]
        turns += SLOW if turn % 10 == 0 else []
        dice.shuffle(turns)
        paths += turns
    return paths


def at_once(client):
    """Run `client(number)` for each client, all at once; what they return, in one list. Raises what one of them raised."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        return [one for results in pool.map(client, range(CLIENTS)) for one in results]


def drive(address, paths, progress=None):
    """GET all paths from 4 clients at once, each logged in as its own user; the records in no order."""
    queue = iter(enumerate(paths))
    lock = threading.Lock()

    def client(number):
        shopper = Shopper(address)
        mine = [shopper.get(f"/login/user{number}/")]
        while True:
            with lock:
                index, path = next(queue, (None, None))
            if path is None:
                return mine
            mine.append(shopper.get(path))
            if progress and index and index % progress == 0:
                say(f"  {index} of {len(paths)} requests")

    records = at_once(client)
    if bad := Counter((record.route, record.status) for record in records if record.status != 200):
        raise AssertionError(f"the shop failed: {dict(bad)}")
    return records


class Shopper:
    """An HTTP client that keeps its connection and its session cookie."""

    def __init__(self, address):
        self.connection = http.client.HTTPConnection(*address, timeout=60)
        self.cookie = None

    def get(self, path):
        """One request; reconnects where the server closed the idle connection."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        try:
            self.connection.request("GET", path, headers=headers)
            response = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.connection.close()
            self.connection.request("GET", path, headers=headers)
            response = self.connection.getresponse()
        response.read()
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.split(";")[0]
        header = response.headers
        return Record(
            header.get("X-Route", path),
            header.get("X-View", ""),
            int(header.get("X-Query-Count", -1)),
            float(header.get("X-Slowest-Query", 0)),
            response.status,
        )


def by_route(records):
    """Route to the multiset of query counts, requests without a query left out as pgscope does."""
    routes = defaultdict(Counter)
    for record in records:
        if record.queries:
            routes[record.route][record.queries] += 1
    return dict(routes)
