"""Connections that come and go by the ten thousand while others stay: what is left of them."""

import json
import os
import sys
import time
from collections import Counter
from pathlib import Path

from harness.console import eventually, say
from harness.process import Child, accepts, folder, free_port
from harness.servers import Pgscope
from harness.wire import message
from soak_clients import ENDS, Client

# More than request.idle_close. A request that never ended would take memory for each of its first 1,000 queries: rightly
# so, but not what is to be seen here.
PAUSE = 1.5
HERE = Path(__file__).resolve().parent
LOADERS = 3
# Connections of the warm-up: enough to fill every table, as each has its own statement of 1,500.
WARM_UP = 2500
# A connection has two buffers of 16 KiB and the state of a session: of 100,000 lost ones, 3 GiB would stay. What may
# stay is what the allocator's pages differ by from one moment to the next.
GROWTH_MIB = 4
TABLES = {
    "statements": 1000, "routes": 200, "findings": 500, "databases": 16, "users": 32, "database_users": 64,
    "sqlstates": 100, "recent_requests": 200,
}


class Held:
    """Sessions that stay open, and ask all at once, each its own question."""

    def __init__(self, port, count):
        self.asked = 0
        self.clients = []
        for number in range(count):
            self.clients.append(Client(port, "held", number))
            self.clients[-1].start()

    def round(self):
        due = [client.ask() for client in self.clients]
        for client, reply in zip(self.clients, due):
            client.expect(reply)
        self.asked += len(self.clients)

    def close(self):
        for client in self.clients:
            client.send(message(b"X"))
            client.close()


class Load:
    """The processes of the clients that come and go, and what they did."""

    def __init__(self, port):
        self.port, self.first, self.done = port, 0, Counter()

    def run(self, count, held):
        """Have `count` connections come and go while the held ones keep asking."""
        began, home = time.monotonic(), folder()
        children = []
        for number in range(LOADERS):
            share = count // LOADERS + (number < count % LOADERS)
            log = home / f"clients{number}"
            command = [sys.executable, HERE / "soak_clients.py", self.port, "passing", self.first, share]
            children.append(Child(command, log))
            self.first += share
        told = began
        while any(child.process.poll() is None for child in children):
            held.round()
            time.sleep(PAUSE)
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say(f"  {held.asked} questions of the held sessions answered")
        for child in children:
            output = child.log.read_text().strip().splitlines() or [""]
            if child.stop():
                raise AssertionError(f"a client failed: {output[-1]}")
            self.done.update(json.loads(output[-1]))
        seconds = time.monotonic() - began
        say(f"  {count} connections in {seconds:.0f} s, {count / seconds:.0f} a second")

    def expected(self, field):
        """Sums of what was done by a field of its end."""
        sums = Counter()
        for end in ENDS:
            if getattr(end, field) is not None:
                sums[getattr(end, field)] += self.done[end.leave.__name__]
        return {key: count for key, count in sums.items() if count}

    def queries(self, field):
        return sum(getattr(end, field) * self.done[end.leave.__name__] for end in ENDS)


def run(checks, count, held):
    """`count` connections with every kind of end while `held` stay open."""
    name = f"{count} connections, {held} held"
    port = free_port()
    backend = Child([sys.executable, HERE / "soak_backend.py", port], folder() / "log")
    eventually(lambda: accepts(("127.0.0.1", port)), "the scripted server listens")
    with Pgscope(("127.0.0.1", port), "--proxy-max-connections", str(held + 100)) as scope:
        scope.metrics()
        empty, _ = eventually(lambda: still(scope), "pgscope is at rest")
        sessions, load = Held(scope.address[1], held), Load(scope.address[1])
        say(f"  warm-up of {WARM_UP}")
        load.run(WARM_UP, sessions)
        before = rest(scope, held)
        load.run(count, sessions)
        sessions.round()
        after = rest(scope, held)
        say(f"  descriptors {before[0]} and {after[0]}, VmRSS {before[1]:.1f} and {after[1]:.1f} MiB")
        checks.equal(after[0], before[0], f"{name}: descriptors as before")
        checks.that(after[1] - before[1] < GROWTH_MIB, f"{name}: VmRSS grows by less than {GROWTH_MIB} MiB", (before, after))
        checks.equal(len(scope.api("sessions", limit=1000)), held, f"{name}: the API shows the held sessions and no other")
        sessions.close()
        scope.quiet()
        judge(checks, name, scope, load, sessions)
        checks.equal(eventually(lambda: still(scope), "pgscope is at rest")[0], empty, f"{name}: descriptors as at the start")
        checks.equal(scope.api("sessions"), [], f"{name}: the API shows no session")
        checks.equal(scope.stop(), 0, f"{name}: pgscope exits with 0")
        checks.that("panicked" not in scope.log(), f"{name}: no panic")
    checks.equal(backend.stop(), 0, f"{name}: the scripted server ends well")
    seen = json.loads(backend.log.read_text().strip().splitlines()[-1])
    asked = sessions.asked + load.queries("ok") + load.queries("failed")
    checks.equal(seen["queries"], asked, f"{name}: the server saw each query once")
    checks.equal(seen["cancels"], load.done["cancel"], f"{name}: the server saw each CancelRequest once")


def rest(scope, held):
    """(descriptors, MiB) once only the held sessions are open. Pages are asked for before, until their memory is there."""
    eventually(lambda: scope.metrics().total("connections_open") == held, "the others are closed")
    for _ in range(20):
        scope.page("/api/v1/sessions?limit=1000")
        scope.page("/metrics")
    return eventually(lambda: still(scope), "descriptors and memory are at rest")


def still(scope):
    """What two looks half a second apart agree upon."""
    looks = []
    for _ in range(2):
        looks.append((descriptors(scope), scope.memory("VmRSS")))
        time.sleep(0.5)
    return looks[0] == looks[1] and looks[0]


def descriptors(scope):
    return len(os.listdir(f"/proc/{scope.child.pid}/fd"))


def judge(checks, name, scope, load, sessions):
    """What pgscope counted against what was done."""
    metrics = scope.metrics()
    ended = Counter(load.expected("outcome"))
    ended["closed"] += len(sessions.clients)
    counted = {outcome: count for outcome, count in metrics.by("connections_total", "outcome").items() if count}
    checks.equal(counted, dict(ended), f"{name}: connections_total by outcome")
    answered = {"ok": load.queries("ok") + sessions.asked, "error": load.queries("failed")}
    checks.equal(metrics.by("queries_total", "status"), answered, f"{name}: queries_total by status")
    blind = {reason: count for reason, count in metrics.by("sessions_blind_total", "reason").items() if count}
    checks.equal(blind, load.expected("blind"), f"{name}: sessions_blind_total by reason")
    checks.equal(metrics.total("events_dropped_total"), 0, f"{name}: nothing was dropped")
    entries = metrics.by("table_entries", "table")
    checks.that(set(TABLES) <= set(entries), f"{name}: every table has its gauge", entries)
    over = {table: count for table, count in entries.items() if count > TABLES.get(table, count)}
    checks.equal(over, {}, f"{name}: no table is larger than it may be")
