"""The side connection of [explain] against a real PostgreSQL: what it finds, what it cannot do, and a server that goes away.

Usage: explain.py [--only WORD] [--major N]. The binary is PGSCOPE_BIN or the release build. Without --major on the
machine's PostgreSQL; another is installed below target/.

The role that pgscope logs in as is a superuser here, the worst that could be configured: what it may not do, the server
must refuse.
"""

import argparse
import re
import shutil
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "suites" / "sequences")]
from harness.venv import run_in_venv

run_in_venv()

import majors
import psycopg
from harness.console import Checks, eventually, say
from harness.postgres import Postgres, server_user
from harness.process import Child, folder
from harness.servers import Pgscope, binary
from tls import Certificates

DATABASE, PASSWORD = "explained", "correct horse \u00fc"
SCHEMA = f"""
    SET password_encryption = 'scram-sha-256';
    CREATE ROLE scope LOGIN SUPERUSER PASSWORD '{PASSWORD}';
    CREATE TABLE shop_customer (id bigint PRIMARY KEY, name text NOT NULL);
    CREATE TABLE shop_order (id bigint PRIMARY KEY, status varchar(10) NOT NULL, created timestamptz NOT NULL,
        number integer NOT NULL, customer_id bigint NOT NULL REFERENCES shop_customer, data jsonb NOT NULL DEFAULT '{{}}');
    INSERT INTO shop_customer SELECT n, 'name ' || n FROM generate_series(1, 1000) n;
    INSERT INTO shop_order SELECT n, (ARRAY['open', 'paid', 'sent', 'done'])[1 + n % 4], now() - n * interval '1 minute',
        n % 50000, 1 + n % 1000 FROM generate_series(1, 200000) n;
    CREATE TABLE harm (what text);
    CREATE SEQUENCE counter;
    -- Says that it changes nothing, so that the planner calls it; does change something.
    CREATE FUNCTION spoil(what text) RETURNS text LANGUAGE plpgsql VOLATILE AS
        $$BEGIN INSERT INTO harm VALUES (what); RETURN 'open'; END$$;
    CREATE FUNCTION liar(what text) RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT spoil(what)$$;
    CREATE FUNCTION trusted() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN liar('planned'); END$$;
    CREATE FUNCTION counting() RETURNS text LANGUAGE sql IMMUTABLE AS $$SELECT 'open' || left(nextval('counter')::text, 0)$$;
    CREATE FUNCTION unlocking() RETURNS text LANGUAGE plpgsql IMMUTABLE AS
        $$BEGIN PERFORM set_config('transaction_read_only', 'off', true); RETURN liar('unlocked'); END$$;
    CREATE VIEW orders_view AS SELECT *, spoil('view') AS spoilt FROM shop_order;
    CREATE TABLE ruled AS SELECT * FROM shop_order LIMIT 1000;
    CREATE FUNCTION slowly() RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$BEGIN PERFORM pg_sleep(30); RETURN 'open'; END$$;
    ANALYZE;
"""
NEWEST = (
    'SELECT "shop_order"."id", "shop_order"."created" FROM "shop_order" WHERE "shop_order"."status" = \'open\' '
    'ORDER BY "shop_order"."created" DESC LIMIT 20'
)
NUMBER = 'SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."number" = %s'
OF_A_DAY = (
    'SELECT COUNT(*) AS "__count" FROM "shop_order" '
    "WHERE (\"shop_order\".\"created\" AT TIME ZONE 'UTC')::date = '2026-01-01'::date"
)
BY_KEY = 'SELECT "shop_order"."id" FROM "shop_order" WHERE "shop_order"."id" = 7 LIMIT 21'


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--major", type=int)
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("explain")
    server = Server(of_major(options.major) if options.major else Postgres())
    for test in (finds, silent_with_the_index, cannot_write, keeps_its_pace, backs_off, wrong_password, encrypted):
        if options.only in test.__name__:
            with checks.guard(test.__name__):
                test(checks, server)
    return checks.finish()


def of_major(major):
    """A server of this version."""
    programs, why = majors.install(major)
    if not programs:
        sys.exit(f"PostgreSQL {major}: {why}")
    return majors.Server(programs)


class Server:
    """PostgreSQL with a shop of 200,000 orders, and a role for pgscope that could do anything, with a password."""

    def __init__(self, postgres):
        self.postgres = postgres
        self.postgres.query(f"CREATE DATABASE {DATABASE}", "postgres")
        say("filling 200,000 orders")
        self.ask(SCHEMA)
        hba = Path(self.ask("SHOW hba_file")[0][0])
        self.data = hba.parent
        hba.write_text("host all scope all scram-sha-256\nhost all shop all trust\nlocal all all trust\n")
        self.ask("SELECT pg_reload_conf()")

    def ask(self, sql):
        return self.postgres.query(sql, DATABASE)

    def stop(self):
        say("stopping PostgreSQL")
        self.postgres.child.stop()

    def start(self):
        say("starting PostgreSQL again")
        before, home = self.postgres.child, self.data.parent
        user = server_user()
        self.postgres.child = Child(before.process.args, before.log, cwd=home, user=user, last_words=signal.SIGINT)
        eventually(self.postgres._ready, "PostgreSQL answers")

    def harm(self):
        """Everything that a planted attempt would leave."""
        rows = self.ask("SELECT what FROM harm")
        counted = self.ask("SELECT is_called FROM counter")[0][0]
        tables = self.ask("SELECT relname FROM pg_class WHERE relname IN ('stolen', 'gone', 'temporary')")
        kept = self.ask("SELECT count(*) FROM shop_order")[0][0]
        return rows, counted, tables, kept


UNHARMED = ([], "f", [], "200000")


def scope(server, *more, password=PASSWORD):
    """pgscope that asks about everything that takes more than no time."""
    secret = folder() / "password"
    secret.write_text(password + "\n")
    words = ["--explain-enabled", "true", "--explain-user", "scope", "--explain-password-file", str(secret)]
    words += ["--explain-slow", "0ms", "--explain-repeat", "1h", "--request-idle-close", "100ms"]
    return Pgscope(server.postgres.address, *words, *more)


def run(scope, *queries):
    """Run queries of an application through pgscope."""
    host, port = scope.address
    words = f"host={host} port={port} user=shop dbname={DATABASE} sslmode=disable"
    with psycopg.connect(words, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for query in queries:
            sql, values = query if isinstance(query, tuple) else (query, None)
            try:
                connection.execute(sql, values)
            except psycopg.Error as error:
                say(f"the application gets: {str(error).splitlines()[0]}")


def outcomes(scope):
    return scope.metrics().by("explain_total", "outcome")


def settled(scope, total):
    """Wait until pgscope has asked, or declined to ask, so many things."""
    eventually(lambda: sum(outcomes(scope).values()) >= total, f"{total} questions are settled", 90)
    return outcomes(scope)


def found(scope):
    """Detector and fix of what the server's answers led to."""
    own = ("missing_index", "table_audit")
    return sorted((it["detector"], it["fix"]) for it in scope.api("findings", limit=1000) if it["detector"] in own)


def finds(checks, server):
    """An index that is missing, in the right order of its fields; a large table that no index can serve."""
    with scope(server) as proxy:
        for _ in range(3):
            run(proxy, NEWEST, (NUMBER, (7,)), OF_A_DAY, BY_KEY)
        # The catalog and four statements.
        counts = settled(proxy, 5)
        checks.equal(counts, {"ok": 5, "failed": 0, "skipped": 0, "unreachable": 0}, "finds: every question is answered")
        listed = found(proxy)
        say(f"found {listed}")
        about = "on shop_order (about 100,000 rows, read from end to end)"
        checks.equal(
            listed,
            [
                ("missing_index", f'Meta.indexes = [models.Index(fields=["number"])] {about}'),
                ("missing_index", f'Meta.indexes = [models.Index(fields=["status", "-created"])] {about}'),
                (
                    "table_audit",
                    "audit the indexes of shop_order (about 100,000 rows, read from end to end): EXPLAIN this statement; "
                    "filter() and order_by() on fields of Meta.indexes, or read less with [:n]",
                ),
            ],
            "finds: the right indexes, and no other",
        )
        rows = list(proxy.metrics().rows("findings_total", detector="missing_index"))
        checks.equal({labels["route"] for labels, _ in rows}, {"-"}, "finds: its findings have route -")
        checks.that(all(labels["fingerprint"] for labels, _ in rows), "finds: its findings accuse a statement", rows)
        checks.that("correct horse" not in proxy.log(), "finds: the log does not hold the password")


def silent_with_the_index(checks, server):
    """What an index serves is no finding."""
    server.ask("CREATE INDEX one ON shop_order (status, created DESC); CREATE INDEX two ON shop_order (number); ANALYZE")
    try:
        with scope(server) as proxy:
            run(proxy, NEWEST, (NUMBER, (7,)), BY_KEY)
            settled(proxy, 4)
            checks.equal(found(proxy), [], "with the indexes there is nothing to find")
    finally:
        server.ask("DROP INDEX one; DROP INDEX two")


# How an application could make a role write that plans its statements. Each with what makes the attempt a real one: run
# as a plain EXPLAIN by a role outside a read-only transaction it does harm, or it would if it were run.
PLANNED = {
    "a function that lies": "SELECT id FROM shop_order WHERE status = trusted()",
    "a sequence": "SELECT id FROM shop_order WHERE status = counting()",
}
ATTEMPTS = {
    **PLANNED,
    "a function that makes the transaction writable": "SELECT id FROM shop_order WHERE status = unlocking()",
    "a volatile function": "SELECT id, spoil('volatile') FROM shop_order LIMIT 1",
    "a volatile function without a table": "SELECT spoil('alone')",
    "a WITH that deletes": "WITH gone AS (DELETE FROM shop_order WHERE id < 0 RETURNING id) SELECT id FROM gone",
    "SELECT INTO": "SELECT id INTO stolen FROM shop_order",
    "SELECT INTO TEMPORARY": "SELECT id INTO TEMPORARY temporary FROM shop_order",
    "a second statement": "SELECT id FROM shop_order WHERE id = 7; DROP TABLE gone",
    "a view that writes": "SELECT id, spoilt FROM orders_view LIMIT 1",
    "FOR UPDATE": "SELECT id FROM shop_order WHERE id = 7 FOR UPDATE",
    "a function that sleeps": "SELECT id FROM shop_order WHERE status = slowly()",
}


def cannot_write(checks, server):
    """Statements that would change something, were they run or planned by that role without care."""
    for name, sql in PLANNED.items():
        before = server.harm()
        server.ask(f"EXPLAIN {sql}")
        checks.that(server.harm() != before, f"cannot write: {name} does harm where nothing forbids it", server.harm())
        server.ask("TRUNCATE harm; ALTER SEQUENCE counter RESTART")
    checks.equal(server.harm(), UNHARMED, "cannot write: all is well before")
    with scope(server) as proxy:
        # The application itself must not do it: it plans with the harm forbidden, and runs nothing.
        host, port = proxy.address
        words = f"host={host} port={port} user=shop dbname={DATABASE} sslmode=disable"
        with psycopg.connect(words, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
            connection.execute("SET default_transaction_read_only = on; SET statement_timeout = '300ms'")
            for name, sql in ATTEMPTS.items():
                for _ in range(2):
                    try:
                        connection.execute(sql)
                    except psycopg.Error as error:
                        say(f"{name}: the application gets {error.sqlstate}")
        checks.equal(server.harm(), UNHARMED, "cannot write: the application has done nothing")
        # The catalog, and each statement; of the text that holds two the second is no SELECT.
        counts = settled(proxy, 1 + len(ATTEMPTS))
        say(f"outcomes {counts}")
        checks.equal(server.harm(), UNHARMED, "cannot write: nothing has changed")
        # trusted, counting, unlocking by the server's refusal to write; slowly by its time limit.
        checks.that(counts["failed"] >= 4, "cannot write: the server refused what planning would have written", counts)
        # FROM-less, WITH DELETE, twice INTO, FOR UPDATE.
        checks.that(counts["skipped"] >= 5, "cannot write: what is no plain SELECT is not put to it", counts)
        checks.equal(counts["unreachable"], 0, "cannot write: and the server was there")
    # The same with nothing left out by pgscope's own choice: the server alone forbids it.
    asked(checks, server)


def asked(checks, server):
    """pgscope's own session, as the server sees it, from the texts of the source: what it is given, it refuses."""
    source = (HERE.parents[1] / "src" / "explain" / "ask.rs").read_text()

    def constant(name):
        text = re.search(rf'const {name}: &str = "(.*?)";', source, re.S).group(1)
        return re.sub(r"\\\n\s*", "", text)

    host, port = server.postgres.address
    words = f"host={host} port={port} user=scope password='{PASSWORD}' dbname={DATABASE} sslmode=disable"
    orders = {
        "INSERT": "INSERT INTO harm VALUES ('insert')",
        "EXPLAIN ANALYZE INSERT": "EXPLAIN ANALYZE INSERT INTO harm VALUES ('analyze')",
        "CREATE TABLE": "CREATE TABLE stolen (a int)",
        "nextval": "SELECT nextval('counter')",
        "a volatile function": "SELECT spoil('direct')",
        "a WITH that deletes": ATTEMPTS["a WITH that deletes"],
        "SELECT INTO": ATTEMPTS["SELECT INTO"],
        "COPY": "COPY harm FROM PROGRAM 'echo copied'",
        "making it writable": "SET TRANSACTION READ WRITE",
        "a setting": "SET transaction_read_only = off",
    }
    with psycopg.connect(words, autocommit=True) as connection:
        connection.execute(constant("SESSION"))
        for name, sql in orders.items():
            connection.execute(constant("BEGIN"))
            try:
                connection.execute(sql)
                refused = None
            except psycopg.Error as error:
                refused = error.sqlstate
            connection.execute("ROLLBACK")
            checks.that(refused in ("25006", "25001"), f"cannot write: {name} in pgscope's transaction is refused", refused)
    checks.equal(server.harm(), UNHARMED, "cannot write: nothing has changed by hand either")


def keeps_its_pace(checks, server):
    """At most one question a second, and the same one not again."""
    with scope(server) as proxy:
        columns = ("id", "number", "status", "created", "customer_id")
        run(proxy, *(f"SELECT {column} FROM shop_order WHERE number = 7" for column in columns))
        before = sum(outcomes(proxy).values())
        first = float(server.ask("SELECT extract(epoch FROM clock_timestamp())")[0][0])
        counts = settled(proxy, 6)
        last = float(server.ask("SELECT extract(epoch FROM clock_timestamp())")[0][0])
        asked = counts["ok"] - before
        checks.that(asked <= last - first + 2, "pace: at most one question a second", (asked, last - first))
        run(proxy, *(f"SELECT {column} FROM shop_order WHERE number = 7" for column in columns))
        # A new statement is asked about after those that are not.
        run(proxy, "SELECT number, id FROM shop_order WHERE number = 7")
        eventually(lambda: len(found(proxy)) == 6, "the new statement is asked about too")
        checks.equal(outcomes(proxy)["ok"], 7, "pace: once a statement and hour")


def backs_off(checks, server):
    """A server that stops: said once, waited for, asked again."""
    with scope(server) as proxy:
        run(proxy, BY_KEY)
        settled(proxy, 2)
        run(proxy, NEWEST, OF_A_DAY, (NUMBER, (7,)))
        server.stop()
        away = "explain: the server cannot be asked"
        eventually(lambda: away in proxy.log(), "pgscope says that the server is away")
        eventually(lambda: outcomes(proxy)["unreachable"] >= 3, "it tries again")
        first = outcomes(proxy)["unreachable"]
        checks.equal(proxy.log().count(away), 1, "backs off: it is said once")
        server.start()
        eventually(lambda: "explain: the server answers again" in proxy.log(), "pgscope says that it is back", 90)
        counts = settled(proxy, 5 + first)
        say(f"outcomes {counts}")
        eventually(lambda: outcomes(proxy)["ok"] >= 4, "what was left is asked", 90)
        checks.that(len(found(proxy)) >= 1, "backs off: and its answers count", found(proxy))
        checks.equal(proxy.stop(), 0, "backs off: pgscope exits with 0 on SIGTERM")


def wrong_password(checks, server):
    """A login that fails is said, without the password, and the application is not concerned."""
    with scope(server, password="battery staple") as proxy:
        run(proxy, BY_KEY)
        eventually(lambda: "password authentication failed" in proxy.log(), "pgscope says why it cannot log in")
        checks.that("battery staple" not in proxy.log(), "wrong password: it is not in the log")
        checks.that(outcomes(proxy)["unreachable"] >= 1, "wrong password: it is counted", outcomes(proxy))
        run(proxy, BY_KEY)
        checks.that(proxy.metrics().total("queries_total") >= 2, "wrong password: traffic goes on")


def encrypted(checks, server):
    """The side connection is encrypted as [upstream_tls] says, and logs in with SCRAM over it."""
    certificates = Certificates()
    for source, name in ((certificates.cert("server"), "server.crt"), (certificates.key("server"), "server.key")):
        place = server.data / name
        shutil.copyfile(source, place)
        place.chmod(0o600)
        if user := server_user():
            shutil.chown(place, *user)
    hba = server.data / "pg_hba.conf"
    hba.write_text("hostssl all scope all scram-sha-256\nhost all shop all trust\nlocal all all trust\n")
    server.ask("ALTER SYSTEM SET ssl = on")
    server.ask("SELECT pg_reload_conf()")
    root = str(certificates.cert("root"))
    words = ["--upstream-tls-mode", "verify-full", "--upstream-tls-root-cert-file", root]
    with scope(server, *words) as proxy:
        run(proxy, NEWEST)
        counts = settled(proxy, 2)
        checks.equal(counts["ok"], 2, "encrypted: it is asked, though only TLS may log in")
        sql = "SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'pgscope explain'"
        checks.equal(server.ask(sql), [("t",)], "encrypted: the server sees one connection, with TLS")
    with scope(server) as proxy:
        run(proxy, NEWEST)
        eventually(lambda: outcomes(proxy)["unreachable"] >= 1, "without TLS it is not let in")


if __name__ == "__main__":
    sys.exit(main())
