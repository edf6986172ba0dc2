"""`pgscope top` on a pseudo-terminal: what is on the screen, and how the terminal is left.

Usage: top.py [--only WORD]. The binary is PGSCOPE_BIN or the release build. The screen is read by a terminal emulator (pyte).
"""

import argparse
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-operations.txt")

import pyte
from harness.console import Checks, eventually, say
from harness.postgres import Postgres
from harness.process import free_port
from harness.servers import Pgscope, binary
from harness.wire import Wire

COLOUR = re.compile(rb"\x1b\[[0-9;]*\b(3[0-7]|38|9[0-7])\b[0-9;]*m")
ENTER, LEAVE, SHOW_CURSOR = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h"
CLEAR = b"\x1b[2J"


class Top:
    """A `pgscope top` on a terminal of its own."""

    def __init__(self, url, *arguments, columns=120, lines=30, **environment):
        self.master, self.slave = os.openpty()
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.sent = b""
        self.lock = threading.Lock()
        self._size(columns, lines)
        self.before = termios.tcgetattr(self.slave)
        env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
        self.process = subprocess.Popen(
            [binary(), "top", "--admin", url, "--interval", "200ms", *arguments],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**env, "TERM": "xterm-256color", **environment},
            # A session of its own: a hang-up of this terminal must not reach anyone else.
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.slave)
        self.hang_up()

    def _size(self, columns, lines):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def _read(self):
        master = self.master
        while True:
            try:
                data = os.read(master, 1 << 16)
            except OSError:
                return
            with self.lock:
                self.sent += data
                self.stream.feed(data)

    def lines(self):
        """What is on the screen."""
        with self.lock:
            return [line.rstrip() for line in self.screen.display]

    def shows(self, pattern):
        """Wait until a line matches; the line."""
        found = eventually(lambda: [line for line in self.lines() if re.search(pattern, line)], f"the screen shows {pattern}")
        return found[0]

    def press(self, keys):
        """Press keys."""
        os.write(self.master, keys.encode())

    def resize(self, columns, lines):
        """Give the terminal another size."""
        with self.lock:
            self.screen.resize(lines, columns)
        self._size(columns, lines)

    def hang_up(self):
        """Close the terminal's own side."""
        if self.master is not None:
            os.close(self.master)
            self.master = None

    def end(self, checks, status, what):
        """Wait for its end; the terminal must then be as it was."""
        eventually(lambda: self.process.poll() is not None, f"{what}: it ends")
        checks.equal(self.process.returncode, status, f"{what}: exit code")
        checks.equal(termios.tcgetattr(self.slave), self.before, f"{what}: the terminal's modes are as before")
        eventually(lambda: LEAVE in self.sent and SHOW_CURSOR in self.sent[self.sent.index(LEAVE) - 100 :], f"{what}: the screen is given back")
        checks.equal(self.sent.count(ENTER), self.sent.count(LEAVE), f"{what}: the other screen is left")


def traffic(postgres, scope, number):
    """Queries of one statement, on one connection."""
    with Wire(scope.address, postgres.user, "postgres") as wire:
        for value in range(number):
            wire.query(f"SELECT relname FROM pg_class WHERE oid = {value}")


def refused(checks, postgres):
    """Where there is nothing to draw on, and where nobody answers."""
    command = [binary(), "top", "--admin", f"http://127.0.0.1:{free_port()}"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    checks.equal(done.returncode, 2, "not a terminal: exit code")
    checks.that("use `pgscope report` instead" in done.stderr, "not a terminal: says what to use", done.stderr)
    checks.equal(done.stdout, "", "not a terminal: nothing is drawn")
    with Top(command[-1]) as top:
        eventually(lambda: top.process.poll() is not None, "it ends where nobody answers")
        checks.equal(top.process.returncode, 1, "nobody answers: exit code")
        top.shows("is `pgscope serve` running")
        checks.that(ENTER not in top.sent, "nobody answers: the screen is left alone")


def views(checks, postgres):
    """Each view shows what is there, on a terminal that changes its size."""
    with Pgscope(postgres.address) as scope, Top(scope.url) as top:
        top.shows("Nothing was found so far|SEVERITY")
        traffic(postgres, scope, 30)
        top.press("3")
        line = top.shows(r"pg_class.*\b30\b")
        checks.that("SELECT" in line, "a statement with its calls", line)
        top.press("\r")
        top.shows(r"^Query$")
        checks.that(top.shows(r"WHERE oid = "), "the whole statement")
        top.press("\x1b")
        top.press("2")
        checks.that(top.shows("~pg_class.*connection"), "a route")
        with Wire(scope.address, postgres.user, "postgres"):
            top.press("4")
            checks.that(top.shows(r"127\.0\.0\.1.*postgres.*shop.*idle"), "a session")
            seen = len(top.sent)
            top.resize(50, 12)
            # All is drawn anew. The emulator has cut its own screen by itself already, and a key that comes together with a
            # new size waits in crossterm for the next one.
            eventually(lambda: CLEAR in top.sent[seen:], "the new size is seen")
            eventually(lambda: len(top.lines()) == 12 and re.match("q quit", top.lines()[11]), "the last line has the keys")
            checks.that(not any("APPLICATION" in line for line in top.lines()), "a narrow terminal has fewer columns")
        top.press("q")
        top.end(checks, 0, "q")


def loss(checks, postgres):
    """A pgscope that goes and comes back, on the same address."""
    scope = Pgscope(postgres.address)
    with Top(scope.url) as top:
        top.shows("SEVERITY")
        traffic(postgres, scope, 5)
        top.press("3")
        top.shows("pg_class")
        scope.stop()
        checks.that(top.shows("no answer from"), "the loss is told")
        checks.that(top.shows("Trying again every 0.2s"), "and what is done about it")
        checks.that(any("pg_class" in line for line in top.lines()), "the figures stay")
        with Pgscope(postgres.address, admin=scope.admin) as anew:
            eventually(lambda: not any("no answer" in line for line in top.lines()), "it finds the new one")
            traffic(postgres, anew, 7)
            top.shows(r"pg_class.*\b7\b")
        top.press("\x03")
        top.end(checks, 0, "Ctrl-C")


def signals(checks, postgres):
    """The terminal is given back on signals too; a terminal that is gone ends it."""
    with Pgscope(postgres.address) as scope:
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            with Top(scope.url) as top:
                top.shows("SEVERITY")
                top.process.send_signal(getattr(signal, name))
                top.end(checks, 0, name)
        with Top(scope.url) as top:
            top.shows("SEVERITY")
            top.hang_up()
            eventually(lambda: top.process.poll() is not None, "it ends with its terminal")
            checks.that(top.process.returncode >= 0, "a terminal that is gone: it ends by itself", top.process.returncode)


def colours(checks, postgres):
    """NO_COLOR is heeded, and there are colours without it."""
    with Pgscope(postgres.address) as scope:
        for value, expected in ((None, True), ("1", False)):
            with Top(scope.url, **({"NO_COLOR": value} if value else {})) as top:
                top.shows("SEVERITY")
                top.press("q")
                top.end(checks, 0, f"NO_COLOR={value}")
                checks.equal(bool(COLOUR.search(top.sent)), expected, f"NO_COLOR={value}: colours")


CASES = [refused, views, loss, signals, colours]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    checks = Checks("e2e-top")
    postgres = Postgres()
    for case in CASES:
        if options.only in case.__name__:
            with checks.guard(case.__name__):
                say(case.__name__)
                case(checks, postgres)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
