"""Requests and statements in numbers that no shop has, each request told by its traceparent."""

import secrets
import threading
import time
from urllib.parse import quote

from .wire import Wire, simple

# Requests of one batch, and seconds from one batch to the next: 500 a second.
BATCH, EVERY = 50, 0.1
ROUTES = 12


class Flood:
    """One connection that sends what a test asks for; `start` goes on in a thread of its own until the end."""

    def __init__(self, address, user, database):
        self.connect = lambda: Wire(address, user, database)
        self.ending = threading.Event()
        self.thread = None
        self.silent = None

    def __enter__(self):
        self.wire = self.connect()
        return self

    def __exit__(self, *_):
        self.ending.set()
        if self.thread:
            self.thread.join()
        self.wire.close()
        if self.silent:
            self.silent.close()

    @staticmethod
    def name(number):
        """The word that one of many statements has and no other."""
        return f"column_{number:05}_"

    def statements(self, count):
        """So many different statements."""
        sent = (f"SELECT relpages AS {self.name(number)} FROM pg_class WHERE oid = 1 {comment('flood/')}" for number in range(count))
        self.wire.bulk((simple(sql), 1) for sql in sent)

    def one_request(self, queries):
        """One request of so many different queries."""
        told = comment("long/")
        for number in range(queries):
            self.wire.query(f"SELECT reltuples AS part_{number}_ FROM pg_class WHERE oid = 2 {told}")
        self.wire.query(f"SELECT relname FROM pg_class WHERE oid = 3 {comment('next/')}")

    def hostile(self):
        """Requests whose route and whose text would be markup, were they taken for it. Returns what must be shown of them."""
        route = "<img src=x onerror=alert(1)>"
        column = "<script>alert(2)</script>"
        for _ in range(2):
            self.wire.query(f'SELECT relname AS "{column}" FROM pg_class WHERE oid = 6 {comment(quote(route))}')
        return route, column

    def guessed(self):
        """A query of a client that keeps its connection and does not tell where its requests begin."""
        self.silent = self.silent or self.connect()
        self.silent.query("SELECT relname FROM pg_class WHERE oid = 4")

    def start(self):
        """Requests without an end."""
        self.thread = threading.Thread(target=self._go_on)
        self.thread.start()

    def _go_on(self):
        with self.connect() as wire:
            while not self.ending.is_set():
                sql = (f"SELECT relname FROM pg_class WHERE oid = 5 {comment(f'flood/{n % ROUTES}/')}" for n in range(BATCH))
                wire.bulk((simple(one), 1) for one in sql)
                time.sleep(EVERY)


def comment(route):
    """Of a request of its own."""
    return f"/*route='{route}',traceparent='00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01'*/"
