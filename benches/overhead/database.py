"""The server and what is in its databases."""

import subprocess

import fill
from harness.console import say
from harness.postgres import Postgres
from harness.servers import seeded
from proxies import ROOM

# What `load.rs` writes, and reads.
WIDE = """
    id bigint, author_id bigint, title varchar(200), isbn varchar(20), price numeric(8, 2), published date,
    language varchar(5), available boolean, blurb text
"""
ROWS = """
    SELECT n, n % 5000, 'A book with the number ' || n, '978-' || lpad(n::text, 10, '0'), n % 90 + 0.9, date '2024-02-29',
        'en', true, repeat('What the book is about, in some sentences. ', 5)
    FROM generate_series(1, {rows}) n
"""
ORDERS = """
    INSERT INTO shop_order (number, placed) SELECT n, timestamptz '2026-01-01 12:00+00' + n * interval '3 hours'
        FROM generate_series(1, 200) n;
    INSERT INTO shop_orderline (order_id, book_id, quantity) SELECT n % 200 + 1, n % 160 + 1, n % 3 + 1
        FROM generate_series(1, 400) n;
"""
SCALE = 10


def server(rows):
    """A PostgreSQL with the databases `bench` (pgbench's tables and `wide`) and `shop`."""
    # Of a tool that keeps its connections for a while and of the one that comes after it.
    postgres = Postgres(max_connections=2 * ROOM)
    seeded(postgres, "shop")
    postgres.query(ORDERS, "shop")
    # Plans the joins of `mix` as they are written: most of the machine's time would go into that, and few queries through.
    postgres.query("ALTER DATABASE shop SET join_collapse_limit = 1", "postgres")
    say(f"filling pgbench's tables and {rows} wide rows")
    postgres.query("CREATE DATABASE bench", "postgres")
    pgbench = [postgres.tool("pgbench"), "-i", "-q", "-s", str(SCALE)]
    subprocess.run(pgbench, env=postgres.environment(database="bench"), check=True, capture_output=True)
    postgres.query(f"CREATE UNLOGGED TABLE wide ({WIDE})", "bench")
    postgres.query(f"CREATE UNLOGGED TABLE wide_copy ({WIDE})", "bench")
    postgres.query(f"INSERT INTO wide {ROWS.format(rows=rows)}", "bench")
    fill.prepare(postgres)
    for database in ("bench", "shop"):
        postgres.query("VACUUM ANALYZE", database)
    return postgres
