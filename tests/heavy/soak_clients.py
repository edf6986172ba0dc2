"""Clients that come and go in every way there is, one after the other.

Usage: soak_clients.py PORT NAME FIRST COUNT. At the end it prints how often it left in which way, as JSON.
"""

import json
import socket
import struct
import sys
from collections import Counter, namedtuple
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.wire import message, simple
from soak_backend import CANCEL, CLOSES, GOODBYE, KEY, PROTOCOL, RESETS, SILENT, SSL, WELCOME, echo, reset

# More of each than the tables of pgscope have room for by default.
USERS, DATABASES, STATEMENTS = 40, 20, 1500
PATIENCE = 60


def packet(code, body=b""):
    """A first packet."""
    return struct.pack("!ii", len(body) + 8, code) + body


def startup(number):
    """A StartupMessage, as one of many users of one of many databases."""
    words = ("user", f"user{number % USERS}", "database", f"db{number % DATABASES}", "application_name", f"app{number % 7}")
    return packet(PROTOCOL, "\0".join(words).encode() + b"\0\0")


class Client:
    """One connection; every answer is compared byte by byte."""

    def __init__(self, port, name, number):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.name, self.number, self.turn = name, number, 0

    def send(self, data):
        self.socket.sendall(data)

    def expect(self, data):
        received = b""
        while len(received) < len(data):
            chunk = self.socket.recv(len(data) - len(received))
            if not chunk:
                break
            received += chunk
        if received != data:
            raise AssertionError(f"{self.name} {self.number}: got {received}, should have got {data}")

    def expect_end(self):
        rest = self.socket.recv(100)
        if rest:
            raise AssertionError(f"{self.name} {self.number}: got {rest} where the end was due")

    def start(self):
        self.send(startup(self.number))
        self.expect(WELCOME)

    def text(self, words=""):
        """The text of a query that no other client asks, and this one only once."""
        self.turn += 1
        return f"SELECT '{self.name} {self.number} {self.turn} {words}' AS c{self.number % STATEMENTS}"

    def ask(self):
        """Send a query; returns the reply that is due."""
        text = self.text()
        self.send(simple(text))
        return echo(text.encode())

    def query(self):
        self.start()
        self.expect(self.ask())

    def close(self):
        self.socket.close()

    def cut(self):
        """Leave with a reset."""
        reset(self.socket)
        self.socket.close()


def terminate(client):
    client.query()
    client.send(message(b"X"))


def without_a_word(client):
    client.query()


def with_a_reset(client):
    client.query()
    client.cut()


def before_the_answer(client):
    client.start()
    client.send(simple(client.text(SILENT)))


def in_the_middle_of_a_query(client):
    client.query()
    client.send(simple(client.text())[:-9])


def in_the_middle_of_the_startup(client):
    client.send(startup(client.number)[:11])


def at_once(client):
    pass


def cancel(client):
    client.send(packet(CANCEL, KEY))
    client.expect_end()


def after_the_ssl_request(client):
    client.send(packet(SSL))
    client.expect(b"N")


def without_ssl(client):
    after_the_ssl_request(client)
    terminate(client)


def server_closes(client):
    client.start()
    client.send(simple(client.text(CLOSES)))
    client.expect(GOODBYE)
    client.expect_end()


def server_resets(client):
    client.start()
    client.send(simple(client.text(RESETS)))
    client.expect_end()


def garbage(client):
    client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    client.expect_end()


def garbage_later(client):
    client.query()
    client.send(b"\xff\xfe\xfd\xfc\xfb\xfa nothing that anybody understands")
    client.expect_end()


# What pgscope has to count of each: the outcome of the connection, queries that end well and those that do not, and why
# it went blind.
End = namedtuple("End", "leave outcome ok failed blind", defaults=(0, 0, None))
ENDS = [
    End(terminate, "closed", ok=1),
    End(without_a_word, "closed", ok=1),
    End(with_a_reset, "client_lost", ok=1),
    End(before_the_answer, "client_lost", failed=1),
    End(in_the_middle_of_a_query, "closed", ok=1),
    End(in_the_middle_of_the_startup, "closed"),
    End(at_once, "closed"),
    End(cancel, "cancelled"),
    End(after_the_ssl_request, "closed"),
    End(without_ssl, "closed", ok=1),
    End(server_closes, "upstream_lost", failed=1),
    End(server_resets, "upstream_lost", failed=1),
    End(garbage, "upstream_lost", blind="startup"),
    End(garbage_later, "upstream_lost", ok=1, blind="framing"),
]


def main(port, name, first, count):
    done = Counter()
    for number in range(first, first + count):
        end = ENDS[number % len(ENDS)]
        client = Client(port, name, number)
        end.leave(client)
        client.close()
        done[end.leave.__name__] += 1
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
