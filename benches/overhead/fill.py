"""Fills every table of a pgscope: statements, routes, requests, findings, databases, users, classes, SQLSTATEs."""

from harness.console import eventually
from harness.wire import Wire, simple

STATEMENTS, ROUTES, CALLS = 3000, 600, 12
DATABASES, USERS, CODES = 20, 40, 110
BATCH = 500


def prepare(postgres):
    """Databases and users to come as."""
    for number in range(DATABASES):
        postgres.query(f"CREATE DATABASE full{number}", "postgres")
    for number in range(USERS):
        postgres.query(f"CREATE ROLE full{number} LOGIN", "postgres")


def fill(postgres, scope):
    """Bring it all; returns entries by table."""
    for number in range(USERS * 3):
        # Every pair once: the numbers of databases and users that differ by the round.
        user, database = f"full{number % USERS}", f"full{(number + number // USERS) % DATABASES}"
        with Wire(scope.address, user, database) as wire:
            wire.query("SELECT 1")
            if number < DATABASES:
                wire.bulk(errors())
    with Wire(scope.address, postgres.user, "shop") as wire:
        wire.bulk(batches(statements()))
        wire.bulk(batches(loops()))
    scope.quiet()
    return entries(scope)


def entries(scope):
    """Entries by table, once the last request is closed and counted."""
    eventually(lambda: scope.metrics().total("table_entries", table="statements"), "statements are counted")
    return {table: int(count) for table, count in sorted(scope.metrics().by("table_entries", "table").items())}


def errors():
    """Many SQLSTATEs."""
    yield from batches(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'P1{number:03}'; END $$" for number in range(CODES))


def statements():
    """Texts of about 400 bytes, each a statement of its own."""
    for number in range(STATEMENTS):
        columns = ", ".join(f'"shop_book"."id" AS "a_column_of_some_length_{number}_{n}"' for n in range(8))
        yield f'SELECT {columns} FROM "shop_book" WHERE "shop_book"."id" = {number} LIMIT 21'


def loops():
    """Requests with a route each, that ask for rows one by one."""
    for number in range(ROUTES):
        trace = f"traceparent='00-d62c417d1deaadc0{number:016x}-52dcad3586905f68-01'"
        tags = f"/*controller='page_{number}',framework='django%3A5.2.19',route='pages/{number}/%3Cint%3Apk%3E/',{trace}*/"
        yield f'SELECT "shop_book"."id", "shop_book"."author_id" FROM "shop_book" ORDER BY "shop_book"."id" ASC LIMIT {CALLS} {tags}'
        for key in range(1, CALLS + 1):
            yield f'SELECT "shop_tag"."id" AS "a{number}" FROM "shop_tag" WHERE "shop_tag"."id" = {key} LIMIT 21 {tags}'


def batches(texts):
    """What `Wire.bulk` sends."""
    held = []
    for text in texts:
        held.append(simple(text))
        if len(held) == BATCH:
            yield b"".join(held), len(held)
            held = []
    yield b"".join(held), len(held)
