"""Scrapes at a steady pace, by a client that reads and drops."""

import contextlib
import socket
import statistics
import threading
import time

EVERY = 0.1


def scrape(address):
    """Seconds of one scrape, from the connection to the last byte."""
    buffer = bytearray(1 << 20)
    start = time.monotonic()
    with socket.create_connection(address, timeout=30) as wire:
        wire.sendall(f"GET /metrics HTTP/1.1\r\nHost: {address[0]}:{address[1]}\r\nConnection: close\r\n\r\n".encode())
        if wire.recv(12, socket.MSG_WAITALL) != b"HTTP/1.1 200":
            raise AssertionError("a scrape is refused")
        while wire.recv_into(buffer):
            pass
    return time.monotonic() - start


def at_rest(address, count=20):
    """Median milliseconds of a scrape while nothing else goes on."""
    return statistics.median(scrape(address) for _ in range(count)) * 1e3


@contextlib.contextmanager
def scraping(address):
    """Scrape while the block runs; gives the list of seconds."""
    seconds, failures, end = [], [], threading.Event()

    def work():
        try:
            while not end.wait(max(0, EVERY - (seconds[-1] if seconds else 0))):
                seconds.append(scrape(address))
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seconds
    finally:
        end.set()
        thread.join()
    if failures:
        raise failures[0]
