"""Every kind of client at once, a fault every second, and an account of every query at the end."""

import contextlib
import statistics
import sys
import time
from collections import Counter
from pathlib import Path

from harness.console import eventually, say
from harness.postgres import Postgres
from harness.process import Child, folder
from harness.servers import Pgscope
from soak_connections import descriptors, still
from soak_faults import Faults
from soak_load import KINDS
from soak_switch import Switch

HERE = Path(__file__).resolve().parent
# A client that notes nothing for so long waits for an answer that was lost.
STANDSTILL = 45
# Some 15 sessions of 32 KiB of buffers each come and go, and a page of metrics is built for each look: together below
# 2 MiB. What was kept of each of some 100,000 queries or of 600 broken sessions would be more.
GROWTH_MIB = 3


class Client:
    """A process of the load and its journal."""

    def __init__(self, kind, number, port, home):
        self.kind, self.number = kind, number
        self.journal = home / f"journal{number}"
        self.journal.touch()
        self.child = Child([sys.executable, HERE / "soak_load.py", kind, number, port, self.journal], home / f"log{number}")

    def silent(self):
        """Seconds since it noted something."""
        return time.time() - self.journal.stat().st_mtime


class Fleet:
    """One client of each kind. The dead are replaced by new ones with new numbers."""

    def __init__(self, port):
        self.port, self.home, self.number = port, folder(), 0
        self.clients, self.journals = [], []
        for kind in KINDS:
            self._launch(kind)

    def _launch(self, kind):
        self.number += 1
        client = Client(kind, self.number, self.port, self.home)
        self.clients.append(client)
        self.journals.append(client.journal)

    def kill(self, client):
        client.child.process.kill()
        client.child.stop()
        self.clients.remove(client)
        self._launch(client.kind)

    def watch(self):
        """Raises where a client ended by itself or stands still."""
        for client in self.clients:
            client.child.alive()
            if client.silent() > STANDSTILL:
                raise AssertionError(f"{client.kind} has stood still for {client.silent():.0f} s")

    def stop(self):
        """Have all of them finish what they are at; returns the kinds that did not, and their last words."""
        # Before that a client would not know what SIGTERM means.
        eventually(lambda: all(client.journal.stat().st_size for client in self.clients), "all have begun")
        for client in self.clients:
            client.child.process.terminate()
        with contextlib.suppress(AssertionError):
            eventually(lambda: all(client.child.process.poll() is not None for client in self.clients), "all have ended")
        ends = [(client.kind, client.child.stop(patience=0), client.child.log.read_text()[-500:]) for client in self.clients]
        return [end for end in ends if end[1:] != (0, "")]


class Account:
    """What the journals say."""

    def __init__(self, journals):
        self.fate, self.signs, self.wrong = {}, Counter(), []
        for journal in journals:
            for line in journal.read_text().splitlines():
                sign, _, words = line.partition(" ")
                self.signs[sign] += 1
                if sign in "+=!":
                    first, count = map(int, words.split())
                    for number in range(first, first + count):
                        self.fate[number] = sign
                elif sign == "w":
                    self.wrong.append(words)

    def numbers(self, sign):
        return {number for number, fate in self.fate.items() if fate == sign}


def run(checks, minutes, seed, crashes):
    """Mixed load through a switch that fails, a fault every second."""
    name = f"{minutes:.1f} minutes of faults"
    postgres = Postgres()
    # The server's processes are killed: what it acknowledged must be kept all the same.
    postgres.query("ALTER SYSTEM SET synchronous_commit = on", "postgres")
    postgres.query("SELECT pg_reload_conf()", "postgres")
    postgres.query("CREATE TABLE soak (n bigint, worker bigint)", "postgres")
    switch = Switch(postgres.address)
    say(f"  seed {seed}")
    with Pgscope(switch.address) as scope:
        scope.metrics()
        empty, _ = eventually(lambda: still(scope), "pgscope is at rest")
        fleet = Fleet(scope.address[1])
        faults = Faults(seed, postgres, switch, scope, fleet)
        resident = load(minutes * 60, crashes, scope, fleet, faults)
        checks.equal(fleet.stop(), [], f"{name}: every client ends by itself, none waits for an answer")
        end_what_sleeps(postgres)
        scope.quiet()
        after = eventually(lambda: still(scope), "pgscope is at rest")
        quarter = len(resident) // 4
        first, last = statistics.median(resident[:quarter]), statistics.median(resident[-quarter:])
        say(f"  {dict(faults.done)}, {faults.missed} while the server was away")
        say(f"  VmRSS {first:.1f} MiB in the first quarter, {last:.1f} in the last, {max(resident):.1f} at most")
        checks.equal(after[0], empty, f"{name}: descriptors as at the start")
        checks.that(last - first < GROWTH_MIB, f"{name}: VmRSS is flat", resident)
        account = Account(fleet.journals)
        judge_rows(checks, name, account, postgres)
        judge_counts(checks, name, account, scope, faults)
        checks.that(scope.child.alive(), f"{name}: pgscope is alive")
        checks.equal(scope.stop(), 0, f"{name}: pgscope exits with 0")
        checks.that("panicked" not in scope.log(), f"{name}: no panic", scope.log()[-1000:])
    postgres.child.stop()


def end_what_sleeps(postgres):
    """The query of a client that was killed sleeps on: the server notices at its end that nobody waits for it."""
    orphans = "FROM pg_stat_activity WHERE application_name = 'soak' AND wait_event = 'PgSleep'"
    postgres.query(f"SELECT pg_terminate_backend(pid) {orphans}", "postgres")


def load(seconds, crashes, scope, fleet, faults):
    """A fault every second; returns the resident memory of each second."""
    began, resident, told = time.monotonic(), [], 0
    due = [seconds * (number + 1) / (crashes + 1) for number in range(crashes)]
    while (now := time.monotonic() - began) < seconds:
        if due and now > due[0]:
            due.pop(0)
            faults.commit(faults.crash)
        else:
            faults.one()
        fleet.watch()
        scope.child.alive()
        resident.append(scope.memory("VmRSS"))
        if now - told > 20:
            told = now
            say(f"  {sum(faults.done.values())} faults in {now:.0f} s, VmRSS {resident[-1]:.1f} MiB")
        time.sleep(max(0, 1 - (time.monotonic() - began - now)))
    return resident


def judge_rows(checks, name, account, postgres):
    """The rows that are there against what the clients were told."""
    rows = postgres.query("SELECT n, count(*) FROM soak GROUP BY n", "postgres")
    there = {int(number): int(count) for number, count in rows}
    kept, refused, unknown = (account.numbers(sign) for sign in "=!+")
    say(f"  rows: {len(kept)} acknowledged, {len(refused)} refused, {len(unknown)} unknown; replies: {account.signs['r']}")
    checks.that(len(kept) > 1000 and account.signs["r"] > 1000, f"{name}: there was a load", account.signs)
    checks.equal(sorted(kept - set(there))[:9], [], f"{name}: every acknowledged row is there")
    checks.equal([number for number, count in there.items() if count > 1][:9], [], f"{name}: no row is there twice")
    checks.equal(sorted(refused & set(there))[:9], [], f"{name}: no refused row is there")
    checks.equal(sorted(set(there) - kept - unknown)[:9], [], f"{name}: no row is there that nobody wrote")
    checks.equal(account.wrong[:9], [], f"{name}: every reply carried the number that was asked for")


def judge_counts(checks, name, account, scope, faults):
    """What pgscope counted against what the clients saw."""
    metrics = scope.metrics()
    signs = account.signs
    counted = metrics.total("queries_total", verb="INSERT", status="ok")
    say(f"  INSERTs: {signs['?']} sent, {signs['i']} answered, {signs['e']} refused, {counted:.0f} counted as ok")
    # What was answered but never read, since the client died or its connection was lost, may be counted too.
    checks.that(signs["i"] <= counted <= signs["?"] - signs["e"], f"{name}: queries_total of INSERT", (signs, counted))
    blind = {reason: count for reason, count in metrics.by("sessions_blind_total", "reason").items() if count}
    say(f"  blind: {blind} of {dict(faults.garbage)} that sent garbage")
    over = {reason: count for reason, count in blind.items() if count > faults.garbage[reason]}
    checks.that(blind and not over, f"{name}: blind are those that sent garbage and no others", (blind, faults.garbage))
    outcomes = metrics.by("connections_total", "outcome")
    say(f"  connections: {outcomes}")
    for outcome in ("closed", "upstream_lost", "cancelled"):
        checks.that(outcomes.get(outcome, 0) > 0, f"{name}: some connections ended as {outcome}", outcomes)
