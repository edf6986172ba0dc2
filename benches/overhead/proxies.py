"""What stands between client and server: nothing, HAProxy, PgBouncer, a bare relay, pgscope with and without profiling."""

import os
import subprocess

from harness.console import eventually, say
from harness.debian import installed, program
from harness.postgres import server_user
from harness.process import Child, accepts, folder, free_port, target
from harness.servers import Pgscope, binary

# Clients at one time, with room for those of a case before that have not gone yet.
ROOM = 600
DIRECT, HAPROXY, PGBOUNCER, PGSCOPE, OFF = "direct", "HAProxy", "PgBouncer", "pgscope", "pgscope off"
RELAY, SINGLE = "bare relay", "one-thread relay"
# As many as pgscope takes of itself (`src/proxy/workers.rs`).
THREADS = min(len(os.sched_getaffinity(0)), 4)


class Straight:
    """No proxy."""

    child = None

    def __init__(self, postgres):
        self.address = postgres.address

    def stop(self):
        """There is nothing to stop."""


class Proxy:
    """A program that listens on a port of its own."""

    def start(self, command, home, user=None):
        """Start it and wait until it listens."""
        self.child = Child(command, home / "log", user=user)

        def ready():
            return self.child.alive() and accepts(self.address)

        eventually(ready, f"{self.child.name} listens")

    def stop(self):
        """End it."""
        self.child.stop()


class Haproxy(Proxy):
    """HAProxy in TCP mode."""

    def __init__(self, postgres):
        self.address = "127.0.0.1", free_port()
        home = folder()
        config = home / "haproxy.cfg"
        config.write_text(
            f"""global
    maxconn {ROOM}
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen pg
    bind 127.0.0.1:{self.address[1]}
    server pg {postgres.host}:{postgres.port}
"""
        )
        self.start([program("haproxy"), "-db", "-f", config], home)


class PgBouncer(Proxy):
    """PgBouncer, one server connection per client."""

    def __init__(self, postgres):
        self.address = "127.0.0.1", free_port()
        runs_as = server_user()
        home = folder(runs_as)
        users = home / "users.txt"
        users.write_text(f'"{postgres.user}" ""\n')
        config = home / "pgbouncer.ini"
        # Servers that no client needs are given back before the next tool wants as many.
        config.write_text(
            f"""[databases]
* = host={postgres.host} port={postgres.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.address[1]}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = session
default_pool_size = {ROOM}
max_client_conn = {ROOM}
server_idle_timeout = 5
ignore_startup_parameters = extra_float_digits
"""
        )
        self.start([program("pgbouncer"), config], home, runs_as)


class BareRelay(Proxy):
    """`relay.rs`."""

    def __init__(self, postgres, threads):
        self.address = "127.0.0.1", free_port()
        self.start([example("bare_relay"), place(self.address), place(postgres.address), str(threads)], folder())


class Scope(Pgscope):
    """pgscope as it comes."""

    def __init__(self, postgres, *arguments):
        super().__init__(postgres.address, f"--proxy-max-connections={ROOM}", *arguments)


def start(postgres, names, off_flag):
    """Name to a function that starts it, of those that can run here; says why one cannot."""
    makers = {
        DIRECT: lambda: Straight(postgres),
        HAPROXY: lambda: Haproxy(postgres),
        PGBOUNCER: lambda: PgBouncer(postgres),
        RELAY: lambda: BareRelay(postgres, THREADS),
        SINGLE: lambda: BareRelay(postgres, 1),
        PGSCOPE: lambda: Scope(postgres),
        OFF: lambda: Scope(postgres, off_flag),
    }
    able = {
        HAPROXY: lambda: installed("haproxy", "haproxy"),
        PGBOUNCER: lambda: installed("pgbouncer", "pgbouncer"),
        OFF: lambda: has_switch(off_flag),
    }
    return {name: maker for name, maker in makers.items() if name in names and able.get(name, lambda: True)()}


def has_switch(flag):
    """Whether pgscope knows the flag that turns its profiling off."""
    shown = subprocess.run([binary(), "serve", "--help"], capture_output=True, text=True, check=True).stdout
    if flag.split("=")[0] in shown.split():
        return True
    say(f"pgscope has no {flag}: the row of `{OFF}` is left out")
    return False


def example(name):
    """Path of one of the two Rust programs of this folder."""
    return target() / "release" / "examples" / name


def place(address):
    """HOST:PORT."""
    return f"{address[0]}:{address[1]}"
