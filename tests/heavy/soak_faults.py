"""What goes wrong in the mixed load: one fault after the other, drawn with a seed."""

import contextlib
import os
import random
import signal
import socket
import threading
import time
from collections import Counter

from harness.console import say
from harness.wire import ServerError, Wire, simple
from soak_backend import reset
from soak_clients import startup

HALF_A_SECOND = 0.5
# A first packet of nobody's protocol, and what nobody says in a session.
NONSENSE = (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\3abcd")


class Faults:
    """`fleet` has the clients (`fleet.clients`, each with a kind and a process) and replaces the dead."""

    def __init__(self, seed, postgres, switch, scope, fleet):
        self.dice = random.Random(seed)
        self.postgres, self.switch, self.scope, self.fleet = postgres, switch, scope, fleet
        self.done, self.garbage, self.missed = Counter(), Counter(), 0
        self.plan = []

    def one(self):
        """The next fault: all of them, shuffled, then all of them again."""
        if not self.plan:
            self.plan = [
                self.terminate, self.cancel, self.kill_client, self.reload, self.slow_reader, self.refuse, self.hold,
                self.reset, self.garbage_first, self.garbage_later, self.half_open, self.half_a_query,
            ]
            self.dice.shuffle(self.plan)
        self.commit(self.plan.pop())

    def commit(self, fault):
        """Do it. While the server recovers there is nobody to ask."""
        self.done[fault.__name__] += 1
        try:
            fault()
        except (OSError, ServerError):
            self.missed += 1

    def _victims(self):
        sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'soak' AND backend_type = 'client backend' ORDER BY 1"
        return [int(row[0]) for row in self.postgres.query(sql, "postgres")]

    def _ask(self, function):
        if victims := self._victims():
            self.postgres.query(f"SELECT {function}({self.dice.choice(victims)})", "postgres")

    def terminate(self):
        self._ask("pg_terminate_backend")

    def cancel(self):
        self._ask("pg_cancel_backend")

    def crash(self):
        """The death of a server process: the server ends all others and recovers."""
        if victims := self._victims():
            os.kill(self.dice.choice(victims), signal.SIGKILL)
            say("  a process of the server is killed: the server recovers")

    def kill_client(self):
        self.fleet.kill(self.dice.choice(self.fleet.clients))

    def reload(self):
        self.scope.child.process.send_signal(signal.SIGHUP)

    def slow_reader(self):
        """One that stops to read in the middle of 3 MB."""
        large = [client for client in self.fleet.clients if client.kind == "large"]
        process = self.dice.choice(large).child.process
        process.send_signal(signal.SIGSTOP)
        time.sleep(1)
        process.send_signal(signal.SIGCONT)

    def refuse(self):
        self.switch.refuse(HALF_A_SECOND)

    def hold(self):
        self.switch.hold(HALF_A_SECOND)

    def reset(self):
        self.switch.reset()

    def garbage_first(self):
        with self._raw() as client:
            self.garbage["startup"] += 1
            client.sendall(self.dice.choice(NONSENSE))
            self._drain(client)

    def garbage_later(self):
        with Wire(self.scope.address, "shop", "postgres", timeout=20) as wire:
            self.garbage["framing"] += 1
            wire.send(b"\xff" + self.dice.randbytes(64))
            self._drain(wire.socket)

    def half_open(self):
        """Says half of its startup, and for a while nothing more."""
        client = self._raw()
        client.sendall(startup(0)[:9])
        self._later(client)

    def half_a_query(self):
        """Says half of a query, and for a while nothing more."""
        wire = Wire(self.scope.address, "shop", "postgres", timeout=20)
        wire.send(simple("SELECT 1 AS half")[:12])
        self._later(wire.socket)

    def _later(self, client):
        """Cut the connection after some seconds, half of the time with a reset."""
        if self.dice.random() < 0.5:
            reset(client)
        timer = threading.Timer(self.dice.uniform(1, 4), client.close)
        timer.daemon = True
        timer.start()

    def _raw(self):
        return socket.create_connection(self.scope.address, timeout=20)

    def _drain(self, client):
        with contextlib.suppress(ConnectionError):
            while client.recv(4096):
                pass
