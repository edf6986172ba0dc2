"""The tees themselves: they must tell a changed, a lost and an added byte, and must not cry over a connection cut short.

Usage: tee_check.py. Small proxies that do wrong stand where pgscope does.
"""

import socket
import struct
import sys
import threading
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import tee
from harness.console import Checks

SIZE = 3 << 20
RESET = struct.pack("ii", 1, 0)


def listening(serve):
    """A listener of the loopback whose connections `serve` gets, one after the other."""
    listener = socket.create_server(("127.0.0.1", 0))

    def loop():
        while True:
            plain, _ = listener.accept()
            with plain:
                serve(plain)

    threading.Thread(target=loop, daemon=True).start()
    return listener.getsockname()[:2]


def echo(plain):
    """A server that answers with what it was sent, once the client has ended."""
    plain.sendall(b"".join(iter(lambda: plain.recv(65536), b"")))


def proxy_with(up=lambda data: data, down=lambda data: data):
    """A proxy that passes all of one direction on as a function says, then the other."""

    def make(server):
        def serve(plain):
            with socket.create_connection(server) as upstream:
                upstream.sendall(up(b"".join(iter(lambda: plain.recv(65536), b""))))
                upstream.shutdown(socket.SHUT_WR)
                plain.sendall(down(b"".join(iter(lambda: upstream.recv(65536), b""))))

        return listening(serve)

    return make


def flip(at):
    """Changes one bit of the byte there."""
    return lambda data: data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def report(proxy, size=SIZE, reset=False):
    """What the tees tell of one connection of a client that sends `size` bytes and reads the answer."""
    with tee.Pair(listening(echo), proxy=proxy) as pair:
        with socket.create_connection(pair.address) as client:
            client.sendall(bytes(range(256)) * (size // 256))
            client.shutdown(socket.SHUT_WR)
            got = 0
            try:
                while data := client.recv(65536):
                    got += len(data)
                    if reset:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                        break
            except ConnectionResetError:
                pass
        return pair.finish(), got


def main():
    checks = Checks("tees")
    faithful, got = report(proxy_with())
    checks.equal((faithful.get("equal"), faithful["different"], faithful["cut"]), (1, [], []), "a faithful proxy is believed")
    checks.equal((got, faithful["bytes"]), (SIZE, 2 * SIZE), "all bytes come back and are counted")
    wrong = {
        "a bit changed towards the server": proxy_with(up=flip(SIZE // 2)),
        "a bit changed in the last byte towards the client": proxy_with(down=flip(SIZE - 1)),
        "the last byte lost towards the client": proxy_with(down=lambda data: data[:-1]),
        "the last byte lost towards the server": proxy_with(up=lambda data: data[:-1]),
        "a byte more towards the client": proxy_with(down=lambda data: data + b"x"),
    }
    for what, proxy in wrong.items():
        told, _ = report(proxy)
        checks.equal((told.get("equal", 0), len(told["different"]), told["cut"]), (0, 2, []), f"told: {what}")
    told, _ = report(proxy_with(), reset=True)
    checks.equal(told["different"], [], "a client that leaves early is no difference")
    checks.equal(told.get("equal", 0) + len(told["cut"]), 1, "it is equal or cut short")
    told, _ = report(proxy_with(down=flip(7)), reset=True)
    checks.equal(len(told["different"]), 2, "told: a bit changed of what a client that leaves early did see")
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
