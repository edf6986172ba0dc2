"""Adversarial conversations against PostgreSQL itself and through pgscope: the same answers, and the right counts.

Usage: run.py [--majors 12,15,18] [--only WORD] [--no-cuts] [--all-cuts] [--record]. The binary is PGSCOPE_BIN or the release
build. Without --majors: the machine's PostgreSQL, and those that an earlier run has installed below target/.

Each conversation is played directly and through pgscope; what comes back must be equal byte for byte (but for keys and
process ids), and pgscope's metrics must show the queries that it holds. The short ones are also played once for every
place at which the client's bytes can be cut, and byte by byte, on the machine's own PostgreSQL (--all-cuts: on all).

--record plays them directly only, and writes what was said to tests/recordings (see recording.py).
"""

import argparse
import sys

import majors  # first: finds the harness
from harness.console import Checks, eventually, say
from harness.servers import Pgscope, binary
from cases import CASES, DATABASE, USER
from client import Client, startup, tag_line
from recording import Recordings, masked, shape

# Longest conversation, in bytes from the client, that is cut everywhere.
SHORT = 160
SCHEMA = """
create table t (a int); create table td (a int primary key deferrable initially deferred); create table ruled (a int);
create rule twice as on insert to ruled do also insert into t values (1); create publication suite for all tables
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--majors", default="")
    options.add_argument("--only", default="")
    options.add_argument("--no-cuts", action="store_true")
    options.add_argument("--all-cuts", action="store_true")
    options.add_argument("--record", action="store_true")
    options = options.parse_args()
    if not options.record:
        binary()  # ends here where there is none
    checks = Checks("sequences")
    own, programs = majors.of_machine()
    recordings = Recordings() if options.record else None
    wanted = [int(word) for word in options.majors.split(",") if word]
    for major in wanted or sorted({own, *majors.VERSIONS}):
        if major == own:
            place, why = programs, None
        elif wanted:
            place, why = majors.install(major)
        else:
            place, why = majors.installed(major), "not installed, --majors installs it"
        if not place:
            say(f"PostgreSQL {major}: skipped, {why}")
            checks.that(not wanted, f"PostgreSQL {major} is there", why)
            continue
        cuts = not options.no_cuts and (major == own or options.all_cuts)
        with checks.guard(f"PostgreSQL {major}"):
            play_all(checks, major, place, options.only, cuts, recordings)
    if recordings:
        recordings.write()
    return checks.finish()


def play_all(checks, major, programs, only, cuts, recordings):
    """All cases on one server."""
    server = majors.Server(programs)
    try:
        server.query(f"create database {DATABASE}", "postgres")
        server.query(SCHEMA, DATABASE)
        cases = [case for case in CASES if only in case.name and major in case.majors]
        if recordings:
            return record(checks, cases, major, server, recordings)
        say(f"PostgreSQL {major}: {len(cases)} conversations" + (", cut everywhere where short" if cuts else ""))
        # Statements are counted one by one: none may give way to another.
        with Pgscope(server.address, "--stats-statements", "10000") as scope:
            played = 0
            for case in cases:
                name = f"{major}: {case.name}"
                with checks.guard(name):
                    played += judge(checks, case, name, major, server, scope, cuts)
            checks.equal(scope.stop(), 0, f"{major}: pgscope exits with 0")
        say(f"PostgreSQL {major}: {played} connections through pgscope")
    finally:
        server.child.stop()


def record(checks, cases, major, server, recordings):
    """All cases, directly."""
    say(f"PostgreSQL {major}: {len(cases)} conversations to record")
    for case in cases:
        with checks.guard(f"{major}: {case.name}"):
            client = play(case, major, server, server.address)
            kept = recordings.add(case, major, losses(case, client.heard), client.exchange)
            checks.that(True, f"{major}: {case.name}: the server says what is expected")
            if not kept:
                say(f"{major}: {case.name}: too long to be recorded")


def losses(case, heard):
    """Why sessions go blind."""
    return case.blind(heard) if callable(case.blind) else case.blind


def judge(checks, case, name, major, server, scope, cuts):
    """One case: directly, through pgscope, and cut. Returns how many connections pgscope carried."""
    direct = play(case, major, server, server.address).heard
    blind = losses(case, direct)
    before = Counts(scope)
    through = play(case, major, server, scope.address).heard
    compare(checks, case, name, direct, through)
    before.check(checks, case, blind, name, 1)
    length = sum(len(step[0]) for step in case.steps if isinstance(step[0], bytes))
    if not (cuts and case.cut and 0 < length <= SHORT):
        return 1
    before = Counts(scope)
    places = range(length)  # 0 is byte by byte
    for place in places:
        through = play(case, major, server, scope.address, place).heard
        if not compare(checks, case, f"{name}, cut at {place}", direct, through):
            break
    before.check(checks, case, blind, f"{name}, cut", place + 1)
    return 1 + len(places)


def play(case, major, server, address, cut=None):
    """A client that has had the conversation."""
    server.query("truncate t, td, ruled", DATABASE)
    client = Client(address)
    if not case.raw:
        client.send(startup(USER, case.database, case.version, **case.options))
        while client.hear() not in ("Z", "EOF"):
            pass
        if client.heard[-1][0] != case.hello:
            raise AssertionError(f"the startup ends with {tag_line(client.heard)}")
    sent = 0
    for step in case.steps:
        if callable(step[0]):
            step[0](client, server)
        else:
            inside = cut is not None and (cut == 0 or sent < cut < sent + len(step[0]))
            client.send(step[0], (cut and cut - sent) if inside else None)
            sent += len(step[0])
        client.expect(step[1](major) if callable(step[1]) else step[1])
    client.finish()
    return client


def compare(checks, case, name, direct, through):
    """The same messages, whole."""
    if case.loose:
        return checks.equal(shape(through), shape(direct), f"{name}: the same order of messages")
    same = masked(through) == masked(direct)
    return checks.that(same, f"{name}: the same bytes", lambda: f"direct: {tag_line(direct)}\n    pgscope: {tag_line(through)}")


class Counts:
    """pgscope's counts before something happens."""

    def __init__(self, scope):
        self.scope = scope
        self.start = self.now()

    def now(self):
        """Counts once all connections are closed."""
        self.scope.quiet()
        metrics = self.scope.metrics()
        calls = metrics.by("statement_calls_total", "fingerprint")
        texts = {row["fingerprint"]: row["query"] for row, _ in metrics.rows("statement_info")}
        return {
            "queries": {"": metrics.total("queries_total")},
            "blind": metrics.by("sessions_blind_total", "reason"),
            "dropped": metrics.by("events_dropped_total", "reason"),
            "calls": {texts.get(key, key).lower(): value for key, value in calls.items()},
        }

    def check(self, checks, case, blind, name, times):
        """What was added since, `times` over."""
        end = self.now()
        more = {
            kind: {key: value - self.start[kind].get(key, 0) for key, value in counts.items() if value != self.start[kind].get(key, 0)}
            for kind, counts in end.items()
        }
        wanted = {"queries": {"": case.queries} if case.queries else {}, "blind": blind, "dropped": case.dropped}
        if case.calls is not None:
            wanted["calls"] = {text.lower(): count for text, count in case.calls.items()}
        for kind, counts in wanted.items():
            counts = {key: value * times for key, value in counts.items()}
            checks.equal(more[kind], counts, f"{name}: {kind}")


if __name__ == "__main__":
    sys.exit(main())
