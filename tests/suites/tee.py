"""Two byte tees in a process of their own, one before pgscope and one behind it: both must see the same bytes.

    client -> tee "client" -> pgscope -> tee "server" -> server

`Pair` starts them with a pgscope in between. When the suite is over `Pair.finish()` says for every connection whether
SHA-256(client to pgscope) = SHA-256(pgscope to server), and the way back.

Where a connection is cut short, what is still under way is lost, with or without pgscope: there, and only there, the
receiving side may have seen less, and all that it has seen must be the beginning of what was sent.
"""

import errno
import hashlib
import json
import os
import resource
import select
import socket
import struct
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))

from harness.process import folder
from harness.servers import Pgscope

CHUNK = 64 * 1024
# Bytes of a direction that are kept, in memory and then in a file, to compare beginnings with.
IN_MEMORY, KEPT = 256 * 1024, 1 << 30
IN, OUT, BROKEN = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP | select.EPOLLERR


class Flow:
    """One direction of a connection: at most one chunk is held."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.held = b""
        self.sha, self.bytes = hashlib.sha256(), 0
        self.kept = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)
        self.ended = False

    def read(self):
        """One chunk, or the end; raises where the source was reset."""
        data = self.source.recv(CHUNK)
        if not data:
            self.end()
            return
        self.sha.update(data)
        if self.bytes < KEPT:
            self.kept.write(data)
        self.bytes += len(data)
        self.held = memoryview(data)
        self.write()

    def write(self):
        """What is held; raises where the sink was reset."""
        try:
            self.held = self.held[self.sink.send(self.held):]
        except BlockingIOError:
            pass

    def end(self):
        """Passes a FIN on."""
        self.ended = True
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise


class Connection:
    """A client's socket, the one to the target, and the two directions between them."""

    def __init__(self, loop, leg, client, target):
        self.loop, self.leg = loop, leg
        self.sockets = client, target
        self.up, self.down = Flow(client, target), Flow(target, client)
        self.reset = self.down_first = False
        self.masks = {}
        for plain in self.sockets:
            plain.setblocking(False)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            loop.owners[plain.fileno()] = self, plain
        self.watch()

    def ready(self, plain, event):
        """Moves what can be moved after an event of one of the sockets."""
        out, back = (self.up, self.down) if plain is self.up.source else (self.down, self.up)
        try:
            if back.held and event & (OUT | BROKEN):
                back.write()
            if not out.ended and not out.held and event & (IN | BROKEN):
                out.read()
        except BlockingIOError:
            pass
        except OSError:
            self.broken(plain)
        if self.down.ended and not self.up.ended:
            self.down_first = True
        if self.up.ended and self.down.ended:
            self.close()
        else:
            self.watch(plain if event & BROKEN else None)

    def broken(self, plain):
        """A socket was reset: the last of what it has said goes on, and then the reset does."""
        self.reset = True
        for flow in (self.up, self.down):
            try:
                # What arrived before the reset can still be read.
                while not flow.ended and not flow.held and flow.sink.fileno() >= 0:
                    flow.read()
            except OSError:
                pass
            flow.ended = True
        for either in self.sockets:
            either.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def watch(self, broken=None):
        """Tells epoll what is waited for. A broken socket of which nothing is wanted now must not be told again."""
        for plain in self.sockets:
            out, back = (self.up, self.down) if plain is self.up.source else (self.down, self.up)
            mask = (0 if out.ended or out.held else IN) | (OUT if back.held else 0)
            mask = None if plain is broken and not mask else mask
            before = self.masks.get(plain)
            if mask == before:
                continue
            self.masks[plain] = mask
            if mask is None:
                self.loop.epoll.unregister(plain)
            elif before is None:
                self.loop.epoll.register(plain, mask)
            else:
                self.loop.epoll.modify(plain, mask)

    def close(self):
        for plain in self.sockets:
            self.loop.owners.pop(plain.fileno())
            plain.close()
        self.loop.closed(self)

    @property
    def key(self):
        """What both tees must agree about."""
        return self.up.sha.hexdigest(), self.up.bytes, self.down.sha.hexdigest(), self.down.bytes

    def told(self):
        """The line of the report."""
        up, up_bytes, down, down_bytes = self.key
        end = "reset" if self.reset else "server first" if self.down_first else "client first"
        return {"leg": self.leg, "up": up, "up_bytes": up_bytes, "down": down, "down_bytes": down_bytes, "end": end}


class Loop:
    """All connections of both tees."""

    def __init__(self, report):
        self.epoll = select.epoll()
        self.owners, self.legs = {}, {}
        self.report = open(report, "w")
        # Connections that the other tee has not told of yet, by their hashes.
        self.unpaired = {"client": defaultdict(list), "server": defaultdict(list)}
        self.counts = defaultdict(int)

    def listen(self, leg, port, target):
        listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        listener.setblocking(False)
        self.legs[listener.fileno()] = listener, leg, tuple(target)
        self.epoll.register(listener, IN)
        return listener.getsockname()[1]

    def turn(self, patience):
        """One round of events. True where standard input has something."""
        spoken = False
        for number, event in self.epoll.poll(patience):
            if number in self.owners:
                connection, plain = self.owners[number]
                connection.ready(plain, event)
            elif number in self.legs:
                self.accept(*self.legs[number])
            else:
                spoken = spoken or number == sys.stdin.fileno()
        return spoken

    def accept(self, listener, leg, target):
        try:
            client, _ = listener.accept()
        except BlockingIOError:
            return
        try:
            connected = socket.create_connection(target)
        except OSError:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            self.counts["refused"] += 1
            return
        Connection(self, leg, client, connected)

    def closed(self, connection):
        """Tells of it, and forgets it together with its like of the other tee."""
        self.report.write(json.dumps(connection.told()) + "\n")
        self.report.flush()
        self.counts[connection.leg] += 1
        if connection.leg == "client":
            self.counts["bytes"] += connection.up.bytes + connection.down.bytes
        others = self.unpaired["server" if connection.leg == "client" else "client"][connection.key]
        if others:
            others.pop()
            self.counts["equal"] += 1
        else:
            self.unpaired[connection.leg][connection.key].append(connection)

    def finish(self):
        """What is left of both tees, paired by their beginnings. A connection that carried nothing needs no pair."""
        left = {
            leg: [one for same in self.unpaired[leg].values() for one in same if one.up.bytes or one.down.bytes]
            for leg in self.unpaired
        }
        empty = sum(len(same) for leg in self.unpaired.values() for same in leg.values()) - sum(map(len, left.values()))
        cut = []
        for client in list(left["client"]):
            for server in sorted(left["server"], key=lambda one: -one.up.bytes):
                if cut_short(client, server):
                    cut.append([client.told(), server.told()])
                    left["client"].remove(client)
                    left["server"].remove(server)
                    break
        different = [one.told() for leg in left.values() for one in leg]
        open_ = len(self.owners) // 2
        return {**self.counts, "empty": empty, "cut": cut, "different": different, "open": open_}


def cut_short(client, server):
    """Whether two connections of the tees differ only by what was under way when it was cut."""
    reset = client.reset or server.reset
    up = client.up.bytes == server.up.bytes or reset or client.down_first or server.down_first
    down = client.down.bytes == server.down.bytes or reset
    return up and down and begins(client.up, server.up) and begins(server.down, client.down)


def begins(longer, shorter):
    """Whether all of one flow is the beginning of another."""
    if not shorter.bytes <= longer.bytes or shorter.bytes > KEPT:
        return False
    left = shorter.bytes
    longer.kept.seek(0)
    shorter.kept.seek(0)
    while left:
        size = min(left, 1 << 20)
        if longer.kept.read(size) != shorter.kept.read(size):
            return False
        left -= size
    return True


def serve(report):
    """Does what standard input says, one JSON object a line, and ends with it."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    loop = Loop(report)
    loop.epoll.register(sys.stdin, IN)
    while True:
        if not loop.turn(-1):
            continue
        words = sys.stdin.buffer.raw.readline()
        if not words:
            return
        order = json.loads(words)
        if "leg" in order:
            answer = {"port": loop.listen(order["leg"], order["port"], order["target"])}
        else:
            rounds = 0
            while loop.owners and rounds < order["patience"] * 10:
                loop.turn(0.1)
                rounds += 1
            answer = loop.finish()
        print(json.dumps(answer), flush=True)


class Pair:
    """pgscope between two tees in front of a server (host, port). The client connects to `address`.

    `port`: where the client's tee listens, 0 for any. `scope`: the pgscope, started with `arguments`. `proxy` (host,
    port, made from the address of the server's tee) takes its place where given.
    """

    def __init__(self, server, *arguments, port=0, proxy=None):
        self.report = folder() / "connections.jsonl"
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), str(self.report)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        before_server = self._listen("server", 0, server)
        self.scope = None if proxy else Pgscope(before_server, *arguments)
        self.address = self._listen("client", port, proxy(before_server) if proxy else self.scope.address)

    def _order(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the tee has ended with {self.process.wait()}")
        return json.loads(answer)

    def _listen(self, leg, port, target):
        return "127.0.0.1", self._order(leg=leg, port=port, target=list(target))["port"]

    def finish(self, patience=10):
        """What both tees saw: counts, and the connections that differ. Waits for open ones."""
        if self.scope:
            self.scope.quiet()
        return self._order(patience=patience)

    def stop(self):
        """Ends the tees and pgscope; pgscope's exit status."""
        status = self.scope.stop() if self.scope else 0
        self.process.stdin.close()
        self.process.wait()
        return status

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def judge(checks, name, report):
    """Checks what `Pair.finish` found and returns one line about it."""
    checks.equal(report["different"], [], f"{name}: both tees saw the same bytes of every connection")
    checks.equal(report["open"], 0, f"{name}: no connection was left open")
    checks.that(report.get("equal"), f"{name}: connections were compared", report)
    for client, server in report["cut"]:
        lost = client["up_bytes"] - server["up_bytes"], server["down_bytes"] - client["down_bytes"]
        print(f"    cut short: {lost[0]} bytes up and {lost[1]} bytes down were under way "
              f"(client's side: {client['end']}, server's side: {server['end']})")
    return (
        f"{report.get('equal', 0)} connections with equal SHA-256 in both directions, {report.get('bytes', 0)} bytes; "
        f"cut short: {len(report['cut'])}, with no byte: {report['empty']}"
    )


if __name__ == "__main__":
    serve(sys.argv[1])
