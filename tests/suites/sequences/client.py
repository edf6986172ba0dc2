"""A client that says exactly what it is told, and hears everything."""

import select
import socket
import struct

PATIENCE = 20


def message(tag, body=b""):
    """One frontend message."""
    return tag.encode() + struct.pack("!i", len(body) + 4) + body


def cstr(text):
    return text.encode() + b"\0"


def query(sql):
    return message("Q", cstr(sql))


def parse(sql, name=""):
    return message("P", cstr(name) + cstr(sql) + b"\0\0")


def bind(statement="", portal="", values=()):
    body = cstr(portal) + cstr(statement) + struct.pack("!hH", 0, len(values))
    for value in values:
        body += struct.pack("!i", len(value)) + value.encode()
    return message("B", body + b"\0\0")


def execute(portal="", rows=0):
    return message("E", cstr(portal) + struct.pack("!i", rows))


def describe(kind, name=""):
    return message("D", kind.encode() + cstr(name))


def close(kind, name=""):
    return message("C", kind.encode() + cstr(name))


def call(function, *arguments):
    """FunctionCall with text arguments."""
    body = struct.pack("!ihh", function, 0, len(arguments))
    for value in arguments:
        body += struct.pack("!i", len(value)) + value.encode()
    return message("F", body + struct.pack("!h", 0))


def data(text):
    return message("d", text.encode())


SYNC = message("S")
FLUSH = message("H")
DONE = message("c")
FAIL = message("f", b"no\0")
TERMINATE = message("X")


def packet(code, body=b""):
    """A packet without a type: StartupMessage, CancelRequest and their kin."""
    return struct.pack("!ii", len(body) + 8, code) + body


CANCEL_REQUEST = 80877102
SSL_REQUEST = packet(80877103)
GSSENC_REQUEST = packet(80877104)


def startup(user, database, version=(3, 0), **options):
    words = {"user": user, "database": database, **options}
    return packet(version[0] << 16 | version[1], b"".join(cstr(k) + cstr(v) for k, v in words.items()) + b"\0")


class Client:
    """One connection; `heard` is all that came, as (tag, body), and ("EOF", rest) at its end. `exchange` holds what was
    said and heard, in this order: bytes, and (tag, body)."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.address = address
        self.buffer = bytearray()
        self.at = 0
        self.heard = []
        self.exchange = []
        self.ended = False

    def send(self, data, cut=None):
        """Send bytes; with `cut`, the first so many alone, and `cut=0` each of them alone."""
        if cut == 0:
            pieces = [data[i : i + 1] for i in range(len(data))]
        else:
            pieces = [data] if cut is None else [data[:cut], data[cut:]]
        self.exchange.append(data)
        try:
            for number, piece in enumerate(pieces):
                if number:
                    # A moment in which the peer can read what was sent. Nothing is asserted about it.
                    select.select([], [], [], 0.0005)
                self.socket.sendall(piece)
        except OSError:
            pass  # the server has closed: what it said is read

    def expect(self, tags):
        """Hear messages until these tags came, in this order; S, N, A and d are passed over where `tags` has none."""
        wanted = tags.split()
        passed = {"S", "N", "A", "d"} - set(wanted)
        for tag in wanted:
            while True:
                got = self.hear()
                if got not in passed:
                    break
            if got != tag:
                raise AssertionError(f"expected {tags}, heard {tag_line(self.heard)}")

    def hear(self):
        """The tag of the next message."""
        while True:
            if len(self.buffer) - self.at >= 5:
                (length,) = struct.unpack_from("!i", self.buffer, self.at + 1)
                end = self.at + 1 + length
                if len(self.buffer) >= end:
                    return self._take(chr(self.buffer[self.at]), end - self.at, 5)
            if self.ended:
                return "EOF"
            if not self._receive():
                # What is left is no whole message.
                return self._take("EOF", len(self.buffer) - self.at, 0)

    def hear_byte(self):
        """The one byte that answers a request for encryption."""
        while self.at == len(self.buffer):
            if not self._receive():
                return self._take("EOF", 0, 0)
        return self._take("byte", 1, 0)

    def hear_all(self):
        """Bytes that are no messages of protocol 3, up to the end."""
        while self._receive():
            pass
        return self._take("EOF", len(self.buffer) - self.at, 0)

    def _take(self, tag, length, head):
        """Note so many bytes as heard."""
        body = bytes(self.buffer[self.at + head : self.at + length])
        self.at += length
        self.heard.append((tag, body))
        self.exchange.append((tag, body))
        return tag

    def _receive(self):
        """Wait for more; False at the end."""
        try:
            chunk = self.socket.recv(1 << 16)
        except ConnectionResetError:
            chunk = b""
        except TimeoutError:
            raise AssertionError(f"nothing more came after: {tag_line(self.heard)}") from None
        del self.buffer[: self.at]
        self.at = 0
        self.buffer += chunk
        self.ended |= not chunk
        return bool(chunk)

    def finish(self):
        """Say nothing more, hear all that still comes."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        while not self.ended:
            self.hear()
        self.socket.close()

    def key(self):
        """BackendKeyData."""
        return next(body for tag, body in self.heard if tag == "K")

    def pid(self):
        """The server process."""
        return struct.unpack_from("!i", self.key())[0]

    def cancel(self):
        """Send a CancelRequest on a connection of its own and wait for the server's close."""
        with socket.create_connection(self.address, timeout=PATIENCE) as other:
            other.sendall(packet(CANCEL_REQUEST, self.key()))
            if other.recv(1):
                raise AssertionError("a CancelRequest was answered")


def tag_line(heard):
    """The tags of messages, for people."""
    return " ".join(tag + (body.decode() if tag == "Z" else "") for tag, body in heard)
