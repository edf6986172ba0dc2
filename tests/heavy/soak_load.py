"""One client of the mixed load: everything it asks carries a number of its own, and it keeps a journal of what came of it.

Usage: soak_load.py KIND WORKER PORT JOURNAL. It goes on until SIGTERM. The lines of the journal: `b`, it has begun; and
with a number: `?` an INSERT is sent, `i` it was answered, `e` it was refused; `+` this row may be kept (or so many from
this on), `=` it is, `!` it is not; `r` a reply carried the number that was asked for; `w` and words: one did not.
"""

import contextlib
import logging
import os
import random
import signal
import sys
import threading
import time

import psycopg
import psycopg2

INSERT = "INSERT INTO soak (n, worker) VALUES (%s, %s)"
# Does it, and then fails.
FAILS = f"{INSERT} RETURNING 1 / (n - n)"
FAILED = (psycopg.errors.DivisionByZero, psycopg2.errors.DivisionByZero)
STRIDE = 10_000_000
PAUSE = 0.005


class Journal:
    """Written without a buffer: it survives the death of its process."""

    def __init__(self, path):
        self.file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(self, sign, *words):
        os.write(self.file, f"{sign} {' '.join(map(str, words))}\n".encode())


def is_refused(error):
    """Whether the server said that it did not do it. After a FATAL nobody knows."""
    diag = getattr(error, "diag", None)
    return getattr(diag, "severity_nonlocalized", None) == "ERROR"


class Load:
    """What all kinds share. Connections are in autocommit mode."""

    cursors = psycopg.Cursor
    options = {}

    def __init__(self, worker, port, journal):
        self.worker, self.port, self.journal = worker, port, journal
        self.last = worker * STRIDE
        self.connection = None

    def open(self):
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="shop", dbname="postgres", application_name="soak", sslmode="disable",
            autocommit=True, connect_timeout=20, cursor_factory=self.cursors, **self.options,
        )

    def connect(self):
        self.connection = self.open()

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def next(self, count=1):
        """The first of `count` new numbers."""
        first, self.last = self.last + 1, self.last + count
        return first

    @contextlib.contextmanager
    def keeping(self, number, count=1):
        """Rows that are kept where the block succeeds, and are not where the server refuses."""
        self.journal.note("+", number, count)
        try:
            yield
        except (psycopg.Error, psycopg2.Error) as error:
            if is_refused(error):
                self.journal.note("!", number, count)
            raise
        self.journal.note("=", number, count)

    def insert(self, number, sql=INSERT):
        self.journal.note("?", number)
        try:
            self.cursor().execute(sql, (number, self.worker))
        except (psycopg.Error, psycopg2.Error) as error:
            if is_refused(error):
                self.journal.note("e", number)
            raise
        self.journal.note("i", number)

    def cursor(self):
        return self.connection.cursor()

    def got(self, number, value):
        """A reply to a question that held `number`."""
        if value == number:
            self.journal.note("r", number)
        else:
            self.journal.note("w", f"{type(self).__name__}: asked for {number}, got {str(value)[:200]}")

    def turn(self):
        number = self.next()
        with self.keeping(number):
            self.insert(number)
        number = self.next()
        with contextlib.suppress(*FAILED), self.keeping(number):
            self.insert(number, FAILS)
        number = self.next()
        cursor = self.cursor()
        cursor.execute("SELECT %s, %s", (number, "word"))
        self.got((number, "word"), cursor.fetchone())


class Bound(Load):
    """psycopg 3 as it comes: bound by the server, prepared after five times."""


class Unbound(Load):
    """psycopg 3 as Django has it by default: bound by the client."""

    cursors = psycopg.ClientCursor


class Prepared(Load):
    options = {"prepare_threshold": 0}


class Psycopg2(Load):
    def open(self):
        connection = psycopg2.connect(
            host="127.0.0.1", port=self.port, user="shop", dbname="postgres", application_name="soak", sslmode="disable",
            connect_timeout=20,
        )
        connection.autocommit = True
        return connection


class Pipeline(Load):
    """Ten rows before one Sync: all or none. Every fifth time one of them fails."""

    PAIRS = 10

    def turn(self):
        first = self.next(self.PAIRS)
        fails = first + random.randrange(self.PAIRS) if random.random() < 0.2 else None
        asked = []
        with contextlib.suppress(*FAILED), self.keeping(first, self.PAIRS), self.connection.pipeline():
            for number in range(first, first + self.PAIRS):
                self.journal.note("?", number)
                self.connection.execute(FAILS if number == fails else INSERT, (number, self.worker))
                question = self.next()
                asked.append((number, question, self.connection.execute("SELECT %s::bigint", (question,))))
        if fails:
            return
        for number, question, cursor in asked:
            self.got((question,), cursor.fetchone())
            self.journal.note("i", number)


class Copy(Load):
    ROWS = 20

    def turn(self):
        first = self.next(self.ROWS)
        with self.keeping(first, self.ROWS), self.cursor().copy("COPY soak (n, worker) FROM STDIN") as copy:
            for number in range(first, first + self.ROWS):
                copy.write_row((number, self.worker))
        first = self.next(self.ROWS)
        with self.cursor().copy(f"COPY (SELECT {first} + i FROM generate_series(0, {self.ROWS - 1}) i) TO STDOUT") as copy:
            copy.set_types(["int8"])
            numbers = [row[0] for row in copy.rows()]
        self.got(list(range(first, first + self.ROWS)), numbers)


class Large(Load):
    """3 MB a time, each row with the number and its place."""

    ROWS = 3000

    def turn(self):
        number = self.next()
        text = f"SELECT {number}, i, repeat('x', 1000) FROM generate_series(1, {self.ROWS}) i"
        place = 0
        for place, row in enumerate(self.cursor().stream(text), 1):
            if row != (number, place, "x" * 1000):
                self.got((number, place), row)
        self.got((number, self.ROWS), (number, place))
        time.sleep(0.05)


class Transaction(Load):
    """Two rows or none; every third is rolled back."""

    def turn(self):
        if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            # The server refused something in the turn before.
            self.connection.execute("ROLLBACK")
        first = self.next(2)
        self.journal.note("+", first, 2)
        try:
            self.connection.execute("BEGIN")
            self.insert(first)
            self.insert(first + 1)
            self.connection.execute("SELECT count(*) FROM soak WHERE n = %s", (first,))
            if first // 2 % 3 == 0:
                self.connection.execute("ROLLBACK")
                self.journal.note("!", first, 2)
                return
        except psycopg.Error:
            # Whatever it was, nobody has said COMMIT.
            self.journal.note("!", first, 2)
            raise
        try:
            self.connection.execute("COMMIT")
        except psycopg.Error as error:
            if is_refused(error):
                self.journal.note("!", first, 2)
            raise
        self.journal.note("=", first, 2)


class Notify(Load):
    """Two sessions: what one tells, the other hears, once and in order."""

    def connect(self):
        self.connection, self.listener = self.open(), self.open()
        self.listener.execute(f"LISTEN soak_{self.worker}")

    def close(self):
        for connection in (self.connection, getattr(self, "listener", None)):
            if connection:
                connection.close()
        self.connection = self.listener = None

    def turn(self):
        number = self.next()
        self.connection.execute(f"NOTIFY soak_{self.worker}, '{number}'")
        heard = [notice.payload for notice in self.listener.notifies(timeout=20, stop_after=1)]
        self.got([str(number)], heard)


class Cancel(Load):
    """A query that is cancelled while it runs, and the next one, which is not."""

    def turn(self):
        ended = threading.Event()
        canceller = threading.Thread(target=self.cancel, args=(ended,))
        canceller.start()
        number = self.next()
        try:
            self.connection.execute("SELECT %s::bigint, pg_sleep(60)", (number,))
            self.got("a cancelled query", "an answer")
        except psycopg.errors.QueryCanceled:
            self.got(number, number)
        finally:
            ended.set()
            canceller.join()
        number = self.next()
        self.got((number,), self.connection.execute("SELECT %s::bigint", (number,)).fetchone())

    def cancel(self, ended):
        # Again where it came before the query, or never arrived.
        while not ended.wait(random.uniform(0.05, 0.3)):
            with contextlib.suppress(psycopg.Error):
                self.connection.cancel_safe(timeout=5)


KINDS = {kind.__name__.lower(): kind for kind in (
    Bound, Unbound, Prepared, Psycopg2, Pipeline, Copy, Large, Transaction, Notify, Cancel
)}


def main(kind, worker, port, path):
    # It would warn of each pipeline that was cut off.
    logging.getLogger("psycopg").setLevel(logging.ERROR)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    load = KINDS[kind](worker, port, Journal(path))
    load.journal.note("b")
    while not stopping.is_set():
        try:
            if load.connection is None:
                load.connect()
            for _ in range(random.randint(20, 200)):
                load.turn()
                time.sleep(PAUSE)
                if stopping.is_set():
                    break
            load.close()
        except (psycopg.Error, psycopg2.Error) as error:
            # A session goes on after an ERROR; else a new one is made, as soon as there is a server.
            if not is_refused(error) or load.connection is None or load.connection.closed:
                load.close()
                stopping.wait(0.1)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
