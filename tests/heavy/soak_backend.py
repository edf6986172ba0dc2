"""A scripted server: it welcomes, answers each query with the query's own text, and ends badly where the text says so.

Usage: soak_backend.py PORT. At SIGTERM it prints what it saw, as JSON.
"""

import asyncio
import json
import signal
import socket
import struct
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from harness.wire import READY, message

PROTOCOL, CANCEL, SSL = 196608, 80877102, 80877103
KEY = struct.pack("!ii", 4711, 1174)
WELCOME = message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\00015.0\0") + message(b"K", KEY) + READY
# Words of a query's text.
CLOSES, RESETS, SILENT = "the server closes", "the server resets", "no answer"
GOODBYE = message(b"E", b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0")


def echo(text):
    """The reply to a query: one row that holds its text."""
    column = message(b"T", b"\0\1echo\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0))
    row = message(b"D", struct.pack("!hi", 1, len(text)) + text)
    return column + row + message(b"C", b"SELECT 1\0") + READY


class Session(asyncio.Protocol):
    """One connection."""

    seen = Counter()

    def connection_made(self, transport):
        self.transport, self.held, self.started = transport, b"", False

    def data_received(self, data):
        self.held += data
        while not self.transport.is_closing() and self._step():
            pass

    def _step(self):
        """Deal with one message; False where it is not whole yet."""
        head = 5 if self.started else 4
        if len(self.held) < head:
            return False
        size = struct.unpack_from("!i", self.held, head - 4)[0] + head - 4
        if not head <= size <= 10_000:
            return self._leave("garbage")
        if len(self.held) < size:
            return False
        packet, self.held = self.held[:size], self.held[size:]
        if self.started:
            return self._message(packet[:1], packet[5:])
        (code,) = struct.unpack_from("!i", packet, 4)
        if code == SSL:
            self.transport.write(b"N")
            return True
        if code == PROTOCOL:
            self.seen["startups"] += 1
            self.started = True
            self.transport.write(WELCOME)
            return True
        return self._leave("cancels" if code == CANCEL and packet[8:] == KEY else "garbage")

    def _message(self, tag, body):
        if tag == b"X":
            return self._leave("terminates")
        if tag != b"Q":
            return self._leave("garbage")
        self.seen["queries"] += 1
        text = body.rstrip(b"\0")
        if CLOSES.encode() in text:
            self.transport.write(GOODBYE)
            self.transport.close()
        elif RESETS.encode() in text:
            reset(self.transport.get_extra_info("socket"))
            self.transport.abort()
        elif SILENT.encode() not in text:
            self.transport.write(echo(text))
        return True

    def _leave(self, why):
        self.seen[why] += 1
        self.transport.close()
        return False


def reset(connection):
    """Have the close of a socket send a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def main(port):
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    server = await asyncio.get_running_loop().create_server(Session, "127.0.0.1", port, backlog=1024)
    await end.wait()
    server.close()
    print(json.dumps(Session.seen), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
