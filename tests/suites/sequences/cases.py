"""What is played: adversarial but legal, and a few illegal, conversations.

A case is a list of steps: (bytes, tags that are waited for). Every tag that comes is compared, waited for or not; the
tags only tell when to go on. `queries` is what pgscope must count, by its own definition: each CommandComplete,
EmptyQueryResponse, PortalSuspended and FunctionCallResponse, each ErrorResponse to a Parse, Bind, Execute, Query or
FunctionCall, and each Execute, Query or FunctionCall that the end of the connection leaves unanswered. `calls` are
the counts of statements where a case is about names. `dropped` and `blind` are documented losses; where the server
decides, `blind` is a function of what it said.
"""

from dataclasses import dataclass, field

import majors  # noqa: F401  finds the harness
from client import (
    CANCEL_REQUEST, DONE, FAIL, FLUSH, GSSENC_REQUEST, SSL_REQUEST, SYNC, TERMINATE, bind, call, close, data, describe,
    execute, message, packet, parse, query, startup,
)
from harness.console import eventually

B, E, DP = bind(), execute(), describe("P")
PBE = parse("select 1") + B + E
USER, DATABASE = "shop", "suite"
BEGIN, COMMIT, ROLLBACK = query("begin"), query("commit"), query("rollback")
ONE = "T D C Z"
COPY = "copy t from stdin"
PI = 1610  # pi()


@dataclass
class Case:
    name: str
    queries: int
    steps: list
    calls: dict = None
    blind: dict = field(default_factory=dict)
    dropped: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    version: tuple = (3, 0)
    database: str = DATABASE
    # The steps begin with the first byte of the connection.
    raw: bool = False
    majors: range = range(12, 100)
    # Bodies differ from run to run: only the order of tags is compared, runs of CopyData as one.
    loose: bool = False
    # What comes depends on when the server reads what: not cut.
    cut: bool = True
    # What ends the startup.
    hello: str = "Z"


def until(old, new):
    """`old` on servers up to 13, else `new`."""
    return lambda major: old if major <= 13 else new


def answer(client, _):
    """The one byte that answers a request for encryption."""
    client.hear_byte()


def until_the_end(client, _):
    """What is said in another protocol."""
    client.hear_all()


def gss_in_use(heard):
    """The session is unreadable where the server takes the client's GSS encryption."""
    return {"gss": 1} if heard[0][1] == b"G" else {}


def go_on(*said):
    """Say more unless the server encrypts from here on."""

    def run(client, _):
        if client.heard[-1][1] == b"N":
            for words, tags in said:
                client.send(words)
                client.expect(tags) if tags else client.hear_byte()

    return run


def notify(_, server):
    server.query("notify ch, 'x'", DATABASE)


def insert(_, server):
    server.query("insert into t values (77)", DATABASE)


def admin_kill(client, server):
    server.query(f"select pg_terminate_backend({client.pid()})", "suite")


def when_asleep(act):
    """Act once the server process sleeps in pg_sleep."""

    def run(client, server):
        busy = f"select 1 from pg_stat_activity where pid = {client.pid()} and wait_event = 'PgSleep'"
        eventually(lambda: server.query(busy, "suite"), "the query runs")
        act(client, server)

    return run


CASES = [
    # Simple protocol.
    Case("one query", 1, [(query("select 1"), ONE)], calls={"SELECT ?": 1}),
    Case("queries in flight", 3, [(query("select 1") + query("select 2") + query("selec"), f"{ONE} {ONE} E Z")]),
    Case("empty queries", 3, [(query(""), "I Z"), (query(";"), "I Z"), (query(" -- x"), "I Z")]),
    Case("two statements", 2, [(query("select 1;;select 2"), "T D C T D C Z")]),
    Case(
        "five statements, each its own",
        5,
        [(query("select 1; select 'a' as b; select 3 as c; values (4); select 5 as e"), "T D C " * 5 + "Z")],
        calls={"SELECT ?": 1, "SELECT ? AS b": 1, "SELECT ? AS c": 1, "VALUES (?)": 1, "SELECT ? AS e": 1},
    ),
    Case("error in the third statement", 3, [(query("select 1; select 2; select 1/0; select 3"), "T D C T D C E Z")]),
    Case("syntax error in the last statement", 1, [(query("select 1; selec"), "E Z")]),
    Case("transaction that fails", 5, [
        (BEGIN, "C Z"), (query("select 1/0"), "E Z"), (query("select 1"), "E Z"), (ROLLBACK, "C Z"), (query("select 2"), ONE)]),
    Case("query without its NUL", 1, [(message("Q", b"select 1"), "E Z")]),
    Case("bytes behind the NUL", 2, [(message("Q", b"select 1\0xx") + query("select 2"), f"E Z {ONE}")]),
    Case("notice in the middle", 2, [(query("do $$begin raise notice 'n'; end$$; select 1"), "N C T D C Z")]),
    Case("notice with an error's words", 1, [(query("do $$begin raise warning 'SFATAL'; end$$"), "N C Z")]),
    Case("notify itself", 5, [
        (query("listen ch"), "C Z"), (query("begin; notify ch, 'x'; select 1"), "C C T D C Z"), (COMMIT, "C A Z")]),
    Case("parameter status, simple", 2, [(query("set application_name = 'x'; select 1"), "C T D C Z")]),
    Case("standard_conforming_strings off", 2, [
        (query("set standard_conforming_strings = off"), "C Z"), (query("select 'a\\'b' as c"), ONE)],
        calls={"SET standard_conforming_strings = ?": 1, "SELECT ? AS c": 1}),
    Case("deferred constraint, simple", 1, [(query("insert into td values (1), (1)"), "E Z")]),
    Case("rule with several commands", 1, [(query("insert into ruled values (1)"), "C Z")]),
    Case("rows of 64 kB", 1, [(query("select repeat('x', 65536) from generate_series(1, 20)"), "T " + "D " * 20 + "C Z")]),
    Case("query of 100 kB", 1, [(query(f"select length('{'y' * 100_000}')"), ONE)], cut=False),
    Case("row that fills a flush", 1, [(query("select repeat('x', 8153)"), ONE)]),
    Case("rows, then an error", 1, [(query("select 1 / (3 - i) from generate_series(1, 5) i"), "T D D E Z")]),
    Case("commit that fails", 3, [(BEGIN, "C Z"), (query("insert into td values (1), (1)"), "C Z"), (COMMIT, "E Z")]),
    Case("commit behind a failure in the same text", 3, [(query("begin; select 1/0; commit"), "C E Z"), (ROLLBACK, "C Z")]),
    Case("notified while idle", 2, [(query("listen ch"), "C Z"), (notify, "A"), (query("select 1"), ONE)]),
    Case("half-close after a query", 2, [(query("select pg_sleep(0.02); select 1"), "")]),
    Case("hang-up in a transaction", 2, [(BEGIN, "C Z"), (query("select 1") + TERMINATE, ONE)]),
    # Extended protocol.
    Case("parse, bind, describe, execute", 1, [(parse("select 1") + B + DP + E + SYNC, "1 2 T D C Z")]),
    Case("describe a statement", 0, [(parse("select $1::int", "s") + describe("S", "s") + SYNC, "1 t T Z")]),
    Case("describe without rows", 0, [(parse("insert into t values ($1)", "s") + describe("S", "s") + SYNC, "1 t n Z")]),
    Case("parse alone", 0, [(parse("select 1") + SYNC, "1 Z")]),
    Case("parse fails", 1, [(parse("selec") + SYNC, "E Z")]),
    Case("all after a failed parse is skipped", 2, [
        (parse("selec") + B + DP + E + query("select 1") + call(PI) + SYNC, "E Z"), (query("select 2"), ONE)]),
    Case("failure known before the Sync", 2, [
        (parse("selec") + FLUSH, "E"), (query("select 1") + PBE, ""), (SYNC, "Z"), (query("select 3"), ONE)]),
    Case("failure without Flush or Sync", 1, [(parse("selec"), "E")]),
    Case("failure, then Terminate", 1, [(parse("selec"), "E"), (TERMINATE, "")]),
    Case("bind fails", 1, [(parse("select $1::int") + bind(values=["x"]) + E + SYNC, "1 E Z")]),
    Case("execute fails", 1, [(parse("select 1 / (random() * 0)") + B + E + SYNC, "1 2 E Z")]),
    Case("Flush instead of Sync", 1, [(PBE + FLUSH, "1 2 D C"), (SYNC, "Z")]),
    Case("neither Flush nor Sync for a while", 1, [(PBE, ""), (SYNC, "1 2 D C Z")]),
    Case("a batch without its Sync, then the client is gone", 1, [(PBE, "")]),
    Case("rows, then an error, extended", 1, [
        (parse("select 1 / (3 - i) from generate_series(1, 5) i") + B + E + SYNC, "1 2 D D E Z")]),
    Case("division by zero at Bind, then another batch", 2, [
        (parse("select 1/0") + B + E + SYNC + parse("select 5") + B + E + SYNC, "1 E Z 1 2 D C Z")]),
    Case("describe at the end of a batch", 1, [(PBE + DP + FLUSH, "1 2 D C T"), (describe("S") + SYNC, "t T Z")]),
    Case("psycopg's pipeline", 2, [((parse("select 1") + B + DP + E) * 2 + FLUSH, "1 2 T D C 1 2 T D C"), (SYNC, "Z")]),
    Case("Bind of 360 kB", 1, [(parse("select length($1)") + bind(values=["x" * 360_000]) + E + SYNC, "1 2 D C Z")], cut=False),
    Case("65,535 parameters", 1, [
        (parse(f"select array_length(array[{','.join(f'${n}::text' for n in range(1, 65_536))}], 1)")
         + bind(values=["x"] * 65_535) + E + SYNC, "1 2 D C Z")], calls=None, cut=False),
    Case("asyncpg's way", 1, [(parse("select 1", "a") + describe("S", "a") + FLUSH, "1 t T"), (bind("a") + E + SYNC, "2 D C Z")]),
    Case("Query in a batch without Sync", 2, [(PBE + query("select 2"), "1 2 D C T D C Z"), (SYNC, "Z")]),
    Case("FunctionCall in a batch", 2, [(PBE + call(PI) + SYNC, "1 2 D C V Z Z")]),
    Case("Syncs alone", 0, [(SYNC * 3, "Z Z Z")]),
    Case("batches in flight", 4, [((PBE + SYNC) * 4, "1 2 D C Z " * 4)]),
    Case("failures in flight", 4, [((parse("selec") + B + E + SYNC + PBE + SYNC) * 2, "E Z 1 2 D C Z " * 2)]),
    Case("division fails at execution", 4, [
        ((parse("select 1 / (random() * 0)") + B + E + SYNC + PBE + SYNC) * 2, "1 2 E Z 1 2 D C Z " * 2)]),
    Case("failure between batches that are sent later", 4, [
        (parse("selec") + B + E + SYNC + PBE, "E Z"), (SYNC + query("select 2") + PBE + SYNC, f"1 2 D C Z {ONE} 1 2 D C Z")]),
    Case("empty statement", 1, [(parse("") + B + DP + E + SYNC, "1 2 n I Z")]),
    Case("several commands in a Parse", 1, [(parse("select 1; select 2") + SYNC, "E Z")]),
    Case("deferred constraint at Sync", 1, [(parse("insert into td values (1), (1)") + B + E + SYNC, "1 2 C E Z")]),
    Case("BEGIN in the extended protocol", 3, [
        (parse("begin") + B + E + parse("selec") + B + E + SYNC, "1 2 C E Z"), (ROLLBACK, "C Z")]),
    Case("bytes behind a Parse", 1, [(message("P", b"\0select 1\0\0\0zz") + SYNC, "E Z")]),
    Case("describe of no kind", 0, [(message("D", b"Xfoo\0") + SYNC, "E Z")]),
    Case("describe of no name", 0, [(describe("S", "no") + PBE + SYNC, "E Z")]),
    Case("close of no name", 0, [(close("S", "no") + close("P", "no") + SYNC, "3 3 Z")]),
    Case("closes in a batch", 1, [
        (parse("select 1", "c") + close("P") + close("S", "x") + bind("c") + E + close("S", "c") + SYNC, "1 3 3 2 D C 3 Z")]),
    Case("failed parse, then close", 1, [(parse("selec", "c") + close("S", "c") + SYNC, "E Z"), (close("S", "c") + SYNC, "3 Z")]),
    Case("parameter status, extended", 2, [(parse("set timezone = 'UTC'") + B + E + PBE + SYNC, "1 2 C 1 2 D C Z")]),
    Case("notices in a pipeline", 2, [
        ((parse("do $$begin raise notice 'n'; end$$") + B + E) * 2 + SYNC, "1 2 N C 1 2 N C Z")]),
    # Portals.
    Case("portal in pieces", 4, [
        (parse("select generate_series(1, 5)") + B + execute(rows=2) * 2 + E * 2 + SYNC, "1 2 D D s D D s D C C Z")]),
    Case("portal of exact length", 3, [
        (parse("select generate_series(1, 4)") + B + execute(rows=2) * 3 + SYNC, "1 2 D D s D D s C Z")]),
    Case("insert returning in pieces", 2, [
        (parse("insert into t values (1), (2), (3) returning a") + B + execute(rows=1) + E + SYNC, "1 2 D s D D C Z")]),
    Case("portal dies at Sync", 1, [(parse("select 1") + bind(portal="p") + SYNC, "1 2 Z"), (execute("p") + SYNC, "E Z")]),
    Case("portal lives in a transaction", 2, [
        (BEGIN, "C Z"), (parse("select 7 as seven") + bind(portal="p") + SYNC, "1 2 Z"), (execute("p") + SYNC, "D C Z")],
        calls={"BEGIN": 1, "SELECT ? AS seven": 1}),
    Case("unnamed portal dies with its transaction", 2, [
        (parse("select 8 as eight") + B + E + SYNC, "1 2 D C Z"), (E + SYNC, "E Z")], calls={"SELECT ? AS eight": 1}),
    Case("two portals by turns", 5, [
        (BEGIN, "C Z"),
        (parse("select generate_series(1, 2) as g", "g") + bind("g", "p") + bind("g", "q") + execute("p", 1) + execute("q", 1)
         + execute("p") + execute("q") + SYNC, "1 2 2 D s D s D C D C Z")]),
    Case("failed Bind leaves the first portal", 6, [
        (query("begin; savepoint s"), "C C Z"),
        (parse("select 1 as a", "a") + parse("select 2 as b", "b") + bind("a", "p") + SYNC, "1 1 2 Z"),
        (query("savepoint s2"), "C Z"),
        (bind("b", "p") + SYNC, "E Z"),
        (query("rollback to s2"), "C Z"),
        (execute("p") + SYNC, "D C Z")],
        calls={"BEGIN": 1, "SAVEPOINT s": 1, "SAVEPOINT s2": 1, "ROLLBACK TO s2": 1, "SELECT ? AS b": 1, "SELECT ? AS a": 1}),
    # Cursors.
    Case("Django's iterator", 5, [
        (BEGIN, "C Z"),
        (parse('declare "cur" no scroll cursor for select a from t') + B + DP + E + SYNC, "1 2 n C Z"),
        (describe("P", "cur") + SYNC, "T Z"),
        (query('fetch forward 10 from "cur"'), "T C Z"), (query('close "cur"'), "C Z"), (COMMIT, "C Z")],
        calls=None),
    Case("Execute of a declared cursor", 5, [
        (BEGIN, "C Z"),
        (query("declare Cur cursor for select generate_series(1, 3) as g"), "C Z"),
        (execute("cur", 2) + SYNC, "D D s Z"), (execute("cur") + SYNC, "D C Z"), (COMMIT, "C Z")],
        calls={"BEGIN": 1, "DECLARE Cur CURSOR FOR SELECT GENERATE_SERIES(?, ?) AS g": 3, "COMMIT": 1}),
    Case("describe of a cursor that is not", 1, [(BEGIN, "C Z"), (describe("P", "no") + SYNC, "E Z")]),
    # Names.
    Case("name used twice", 2, [
        (parse("select 1 as a", "n") + parse("select 2 as b", "n") + SYNC, "1 E Z"), (bind("n") + E + SYNC, "2 D C Z")],
        calls={"SELECT ? AS a": 1, "SELECT ? AS b": 1}),
    Case("unnamed parsed twice", 1, [(parse("select 1 as a") + parse("select 2 as b") + B + E + SYNC, "1 1 2 D C Z")],
         calls={"SELECT ? AS b": 1}),
    Case("name outlives an error", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (parse("selec") + SYNC, "E Z"), (bind("n") + E + SYNC, "2 D C Z")],
        calls={"SELECT ? AS a": 1, "SELEC": 1}),
    Case("name of a failed batch", 2, [
        (parse("select 1 as a", "n") + parse("selec") + SYNC, "1 E Z"), (bind("n") + E + SYNC, "2 D C Z")],
        calls={"SELECT ? AS a": 1, "SELEC": 1}),
    Case("name of a skipped Parse is free", 3, [
        (parse("selec") + parse("select 1 as a", "n") + SYNC, "E Z"),
        (bind("n") + E + SYNC, "E Z"),
        (parse("select 2 as b", "n") + bind("n") + E + SYNC, "1 2 D C Z")],
        calls={"SELEC": 1, "SELECT ? AS b": 1}),
    Case("close, then the same name", 1, [
        (parse("select 1 as a", "n") + close("S", "n") + parse("select 2 as b", "n") + bind("n") + E + SYNC, "1 3 1 2 D C Z")],
        calls={"SELECT ? AS b": 1}),
    Case("skipped close keeps the name", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"),
        (parse("selec") + close("S", "n") + SYNC, "E Z"),
        (bind("n") + E + SYNC, "2 D C Z")],
        calls={"SELEC": 1, "SELECT ? AS a": 1}),
    Case("unnamed after a failed Parse in flight", 3, [
        (parse("selec") + SYNC + parse("select 1 as a") + SYNC, "E Z 1 Z"), (B + E + SYNC, "2 D C Z"), (B + E + SYNC, "2 D C Z")],
        calls={"SELEC": 1, "SELECT ? AS a": 2}),
    Case("unnamed after a skipped Query", 2, [
        (parse("select 1 as a") + SYNC, "1 Z"),
        (parse("selec", "n") + query("select 5") + SYNC, "E Z"),
        (B + E + SYNC, "2 D C Z")],
        calls={"SELEC": 1, "SELECT ? AS a": 1}),
    Case("unnamed after a Query", 2, [
        (parse("select 1 as a") + SYNC, "1 Z"), (query("select 9 as z"), ONE), (B + E + SYNC, "E Z")],
        calls={"SELECT ? AS z": 1}),
    Case("unnamed portal after a failed Parse in flight", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"),
        (parse("selec") + SYNC + bind("n"), "E Z"),
        (E + SYNC, "2 D C Z")],
        calls={"SELEC": 1, "SELECT ? AS a": 1}),
    Case("SQL PREPARE, then Bind", 2, [(query("prepare q1 as select 42 as a"), "C Z"), (bind("q1") + E + SYNC, "2 D C Z")],
         calls={"PREPARE q1 AS SELECT ? AS a": 1, "SELECT ? AS a": 1}),
    Case("SQL PREPARE in the extended protocol, a name in quotes", 2, [
        (parse('prepare "Q ""1" (int) as select $1 as a') + B + E + SYNC, "1 2 C Z"),
        (bind('Q "1', values=["1"]) + E + SYNC, "2 D C Z")], calls=None),
    Case("SQL PREPARE fails", 2, [(query("prepare q1 as select nocolumn as a"), "E Z"), (bind("q1") + E + SYNC, "E Z")]),
    Case("Parse, then SQL EXECUTE", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (query("execute n"), ONE), (query("execute n"), ONE)],
        calls={"EXECUTE n": 2}),
    Case("SQL DEALLOCATE frees the name", 3, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (query("deallocate prepare N"), "C Z"), (bind("n") + E + SYNC, "E Z"),
        (parse("select 2 as b", "n") + bind("n") + E + SYNC, "1 2 D C Z")],
        calls={"DEALLOCATE PREPARE N": 1, "SELECT ? AS b": 1}),
    Case("DEALLOCATE in the extended protocol", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (parse('deallocate "n"') + B + E + SYNC, "1 2 C Z"),
        (bind("n") + E + SYNC, "E Z")], calls={'DEALLOCATE "n"': 1}),
    Case("DEALLOCATE ALL", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (query("deallocate all"), "C Z"), (bind("n") + E + SYNC, "E Z")],
        calls={"DEALLOCATE ALL": 1}),
    Case("DISCARD ALL", 2, [
        (parse("select 1 as a", "n") + SYNC, "1 Z"), (query("discard all"), "C Z"), (bind("n") + E + SYNC, "E Z")],
        calls={"DISCARD ALL": 1}),
    # COPY.
    Case("COPY OUT", 1, [(query("copy (select generate_series(1, 3)) to stdout"), "H d d d c C Z")]),
    Case("COPY OUT, extended", 1, [
        (parse("copy (select generate_series(1, 3)) to stdout") + B + DP + E + SYNC, "1 2 n H d d d c C Z")]),
    Case("COPY OUT fails midway", 1, [(query("copy (select 1 / (3 - i) from generate_series(1, 5) i) to stdout"), "H d d E Z")]),
    Case("COPY IN", 2, [(query(COPY), "G"), (data("1\n") + data("2\n") + DONE, "C Z"), (query("select 1"), ONE)]),
    Case("COPY IN in one write", 2, [(query(COPY) + data("1\n") + DONE + query("select 1"), f"G C Z {ONE}")]),
    Case("COPY IN fails midway", 2, [
        (query(COPY), "G"), (data("1\n") + data("zz\n") + data("3\n"), "E Z"), (data("4\n") + DONE, ""), (query("select 1"), ONE)]),
    Case("COPY IN, CopyFail", 2, [(query(COPY), "G"), (data("1\n") + FAIL, "E Z"), (query("select 1"), ONE)]),
    Case("COPY IN refused, data sent", 2, [(query("copy nosuch from stdin") + data("1\n") + DONE + query("select 1"), f"E Z {ONE}")]),
    Case("COPY IN refused, data sent, then the client leaves", 1, [
        (query("copy nosuch from stdin") + data("1\n") + DONE, "E Z")]),
    Case("COPY IN twice and a SELECT", 3, [
        (query(f"{COPY}; {COPY}; select 7"), "G"), (data("1\n") + DONE, "C G"), (data("2\n") + DONE, "C T D C Z")]),
    Case("COPY IN twice in one write", 3, [
        (query(f"{COPY}; {COPY}; select 7") + data("1\n") + DONE + data("2\n") + DONE, "G C G C T D C Z")]),
    Case("COPYs in flight", 3, [
        ((query(COPY) + data("1\n") + DONE) * 2 + query("select 1"), f"G C Z G C Z {ONE}")]),
    Case("COPY IN, extended, Sync first", 1, [
        (parse(COPY) + B + E + SYNC, "1 2 G"), (data("1\n") + DONE, ""), (SYNC, "C Z")]),
    Case("COPY IN, extended, Flush first", 1, [
        (parse(COPY) + B + E + FLUSH, "1 2 G"), (data("1\n") + DONE, ""), (SYNC, "C Z")]),
    Case("COPY IN, extended, in one write", 2, [
        (parse(COPY) + B + E + SYNC + data("1\n") + DONE + SYNC + query("select 1"), f"1 2 G C Z {ONE}")]),
    Case("COPY IN, extended, refused", 2, [
        (parse("copy nosuch from stdin") + B + E + SYNC + data("1\n") + DONE + SYNC, "1 2 E Z Z"), (query("select 1"), ONE)]),
    Case("COPY IN, extended, fails midway", 2, [
        (parse(COPY) + B + E + SYNC, "1 2 G"), (data("1\n") + data("zz\n") + data("3\n"), "E"), (DONE + SYNC, "Z"),
        (query("select 1"), ONE)]),
    Case("COPY IN, extended, Sync behind the failure", 2, [
        (parse(COPY) + B + E + FLUSH, "1 2 G"), (data("zz\n") + data("3\n") + DONE + SYNC + query("select 1"), f"E Z {ONE}")]),
    Case("COPY IN, extended, CopyFail", 1, [(parse(COPY) + B + E + SYNC, "1 2 G"), (FAIL + SYNC, "E Z")]),
    Case("COPY IN, extended, Sync among the data", 1, [
        (parse(COPY) + B + E, ""), (data("1\n") + SYNC + data("2\n") + SYNC + DONE, "1 2 G"), (SYNC, "C Z")], cut=False),
    Case("COPY IN with an end of data in the text", 1, [
        (query(COPY), "G"), (data("1\n") + data("\\.\n") + DONE, "C Z")]),
    Case("COPY IN with data behind its end", 1, [
        (query(COPY), "G"), (data("1\n") + data("\\.\n") + data("5\n") + DONE, "C Z")]),
    Case("COPY IN of what is not binary", 1, [(query(f"{COPY} binary"), "G"), (data("garbage") + DONE, "E Z")]),
    Case("Flush among the data", 1, [(query(COPY), "G"), (data("1\n") + FLUSH + data("2\n") + FLUSH + DONE, "C Z")]),
    Case("COPY IN fails in one write", 2, [(query(COPY) + data("zz\n") + DONE + query("select 1"), f"G E Z {ONE}")]),
    Case("COPY IN between two SELECTs in one write", 4, [
        (query(f"select 1; {COPY}; select 2") + data("1\n") + DONE + query("select 3"), f"T D C G C T D C Z {ONE}")]),
    Case("COPY IN in a batch", 2, [
        (parse(COPY) + B + E + data("1\n") + DONE + PBE + SYNC, "1 2 G C 1 2 D C Z")]),
    Case("CopyFail in a batch", 2, [
        (parse(COPY) + B + E + data("1\n") + FAIL + PBE + SYNC + query("select 2"), f"1 2 G E Z {ONE}")]),
    Case("two extended COPYs, a Sync before the data of each", 2, [
        ((parse(COPY) + B + E + SYNC + data("1\n") + DONE) * 2 + SYNC, "1 2 G C 1 2 G C Z")]),
    Case("Query during COPY IN", 1, [(query(COPY), "G"), (query("select 1"), until("E Z", "E E EOF"))]),
    Case("Query during COPY IN, then another", 2, [
        (query(COPY), "G"), (query("select 1"), "E Z"), (query("select 2"), ONE)], majors=range(12, 14)),
    Case("Parse during COPY IN", 1, [(query(COPY), "G"), (parse("select 1", "n"), until("E Z", "E E EOF"))]),
    Case("Parse during COPY IN, then the same name", 2, [
        (query(COPY), "G"), (parse("select 1 as a", "n"), "E Z"),
        (parse("select 2 as b", "n") + bind("n") + E + SYNC, "1 2 D C Z")],
        calls={"COPY t FROM STDIN": 1, "SELECT ? AS b": 1}, majors=range(12, 14)),
    Case("COPY messages that nobody asked for", 1, [(data("x") + DONE + FAIL + query("select 1"), ONE)]),
    Case("COPY IN, then the connection ends", 1, [(query(COPY), "G"), (data("1\n"), "")]),
    # Function calls.
    Case("FunctionCall", 1, [(call(PI), "V Z")]),
    Case("FunctionCall that fails", 2, [(call(999999) + query("select 1"), f"E Z {ONE}")]),
    Case("large object by FunctionCall", 3, [(BEGIN, "C Z"), (call(957, "-1"), "V Z"), (ROLLBACK, "C Z")], loose=True),
    # Broken frames.
    Case("length 3", 0, [(b"Q\0\0\0\3", "EOF")], blind={"framing": 1}),
    Case("length 2", 0, [(b"S\0\0\0\2", "EOF")], blind={"framing": 1}),
    Case("length 1", 0, [(b"P\0\0\0\1", "EOF")], blind={"framing": 1}),
    Case("length of minus two", 0, [(b"B\xff\xff\xff\xfe", "EOF")], blind={"framing": 1}),
    Case("length 0", 0, [(b"Q\0\0\0\0", "EOF")], blind={"framing": 1}),
    Case("length of minus one", 0, [(b"Q\xff\xff\xff\xff", "EOF")], blind={"framing": 1}),
    Case("length of 2 GB", 0, [(b"Q\x7f\xff\xff\xff", "EOF")], majors=range(14, 100)),
    # Up to 13 the server waits for all of it, and at the client's end it says E and Z to a query that never was whole.
    Case("length of 2 GB, not refused", 0, [(b"Q\x7f\xff\xff\xff", "")], majors=range(12, 14), dropped={"surplus_ready": 1}),
    # The server closes at the type alone: whether all of it is seen is a matter of time.
    Case("type that is none", 0, [(b"!\0\0\0\4", "E EOF")], blind={"framing": 1}, cut=False),
    Case("type that is zero", 0, [(b"\0\0\0\0\4", "E EOF")], blind={"framing": 1}, cut=False),
    Case("type that nobody knows", 0, [(b"y\0\0\0\4", "E EOF")]),
    Case("Execute of 20 kB", 1, [(b"E" + (20_000).to_bytes(4, "big") + b"\0" * 19_996 + SYNC, until("E Z", "EOF"))],
         cut=False),
    # Startup.
    Case("startup", 0, []),
    Case("no such database", 0, [], database="nosuch", hello="EOF"),
    Case("SSLRequest, then startup", 1, [
        (SSL_REQUEST, ""), (answer, ""), (startup(USER, DATABASE), "R K Z"), (query("select 1"), ONE)], raw=True, cut=False),
    Case("GSSENCRequest", 0, [(GSSENC_REQUEST, ""), (answer, "")], raw=True, blind=gss_in_use),
    Case("GSSENCRequest, then SSLRequest, then startup", 0, [
        (GSSENC_REQUEST, ""), (answer, ""), (go_on((SSL_REQUEST, ""), (startup(USER, DATABASE), "R K Z")), "")], raw=True, blind=gss_in_use),
    Case("direct TLS", 0, [(bytes.fromhex("1603010005"), "EOF")], raw=True, blind={"encrypted": 1}),
    Case("CancelRequest for nobody", 0, [(packet(CANCEL_REQUEST, bytes(8)), "EOF")], raw=True),
    Case("protocol 2.0", 0, [(packet(2 << 16, bytes(288)), ""), (until_the_end, "")], raw=True, blind={"startup": 1}),
    Case("protocol 4.0", 0, [(packet(4 << 16, b"user\0x\0\0"), "E EOF")], raw=True, blind={"startup": 1}),
    Case("startup packet of 10,005 bytes", 0, [((10_005).to_bytes(4, "big") + b"\0\3\0\0", "EOF")], raw=True,
         blind={"startup": 1}),
    Case("protocol 3.2", 1, [(query("select 1"), ONE)], version=(3, 2)),
    Case("protocol 3.9999", 1, [(query("select 1"), ONE)], version=(3, 9999)),
    Case("unknown protocol option", 1, [(query("select 1"), ONE)], options={"_pq_.foo": "1"}),
    Case("unknown parameter", 0, [], options={"nosuch_guc": "1"}, hello="EOF"),
    Case("notices during startup", 1, [(query("select 1"), ONE)],
         options={"options": "-c client_min_messages=debug5 -c log_min_messages=panic"}, loose=True, cut=False),
    # Ends.
    Case("terminated while idle", 0, [(admin_kill, "E EOF")], cut=False),
    Case("terminated in a pipeline", 3, [
        (parse("select pg_sleep(60)") + B + E + SYNC + PBE + SYNC + query("select 2"), ""), (when_asleep(admin_kill), "1 2 E EOF")],
        cut=False),
    Case("terminated in a Query", 2, [
        (query("select pg_sleep(60); select 2") + query("select 3"), ""), (when_asleep(admin_kill), "T E EOF")], cut=False),
    Case("cancelled", 2, [
        (query("select pg_sleep(60); select 2") + query("select 3"), ""),
        (when_asleep(lambda client, _: client.cancel()), f"T E Z {ONE}")], cut=False),
    Case("cancelled, extended", 2, [
        (parse("select pg_sleep(60)") + B + E + SYNC + PBE + SYNC, ""),
        (when_asleep(lambda client, _: client.cancel()), "1 2 E Z 1 2 D C Z")], cut=False),
    Case("cancelled, protocol 3.2", 2, [
        (query("select pg_sleep(60)") + query("select 3"), ""),
        (when_asleep(lambda client, _: client.cancel()), f"T E Z {ONE}")], cut=False, version=(3, 2)),
    Case("timeout in the middle of rows", 2, [
        (query("set statement_timeout = 300; "
               "select repeat('x', 4500), pg_sleep(case i when 3 then 60 else 0 end) from generate_series(1, 5) i"), "C T")],
        cut=False, loose=True),
    Case("two-phase commit", 3, [
        (query("begin; prepare transaction 'suite'"), "C C Z"), (query("rollback prepared 'suite'"), "C Z")],
        calls={"BEGIN": 1, "PREPARE TRANSACTION ?": 1, "ROLLBACK PREPARED ?": 1}),
    # Replication.
    Case("replication", 4, [
        (query("IDENTIFY_SYSTEM"), "T D C Z"),
        (query("CREATE_REPLICATION_SLOT suite TEMPORARY LOGICAL pgoutput"), "T D C Z"),
        (query("START_REPLICATION SLOT suite LOGICAL 0/0 (proto_version '1', publication_names 'suite')"), "W"),
        (DONE, "c C C Z"), (query("select 1"), ONE)],
        options={"replication": "database"}, loose=True, cut=False),
    Case("replication of a row", 2, [
        (query("CREATE_REPLICATION_SLOT suite TEMPORARY LOGICAL pgoutput"), "T D C Z"),
        (query("START_REPLICATION SLOT suite LOGICAL 0/0 (proto_version '1', publication_names 'suite')"), "W"),
        (insert, "d d d"), (DONE, "c C C Z")],
        options={"replication": "database"}, loose=True, cut=False),
    Case("extended protocol in a walsender", 2, [(parse("select 1") + SYNC, "E Z"), (query("select 1"), ONE)],
         options={"replication": "database"}),
    # The last, for the many statements that it leaves in the metrics.
    Case("1,500 names, each deallocated", 4500, [
        (b"".join(parse("select 1 as a", f"n{i}") + bind(f"n{i}") + E + parse(f"deallocate n{i}") + B + E + SYNC
                  for i in range(1500)), "1 2 D C 1 2 C Z " * 1500),
        (b"".join(parse("select 1 as a", f"m{i}") + bind(f"m{i}") + E + close("S", f"m{i}") + SYNC for i in range(1500)),
         "1 2 D C 3 Z " * 1500)], calls=None, cut=False),
]
