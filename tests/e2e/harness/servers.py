"""pgscope itself and the shop behind Gunicorn."""

import http.client
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from .console import eventually, say
from .exposition import Metrics
from .process import ROOT, Child, accepts, folder, free_port, target

SHOP = ROOT / "tests" / "e2e" / "shop"
THREADS = 4


def binary():
    """The pgscope to test: `PGSCOPE_BIN`, else the release build."""
    path = Path(os.environ.get("PGSCOPE_BIN") or target() / "release" / "pgscope")
    if not path.exists():
        sys.exit(f"{path} is not there: run `cargo build --release` or set PGSCOPE_BIN")
    return path


def get(address, path):
    """Status and body of one GET."""
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Pgscope:
    """A running `pgscope serve` in front of `upstream` (host, port)."""

    direct = False

    def __init__(self, upstream, *arguments, admin=None):
        self.address = "127.0.0.1", free_port()
        self.admin = admin or ("127.0.0.1", free_port())
        self.home = folder()
        self.log_file = self.home / "log"
        options = [
            word
            for name, (host, port) in (("listen", self.address), ("upstream", upstream), ("admin", self.admin))
            for word in (f"--{name}", f"{host}:{port}")
        ]
        self.child = Child([binary(), "serve", *options, *arguments], self.log_file)
        eventually(self._ready, "pgscope is ready")
        printed = set(re.findall(r"127\.0\.0\.1:(\d+)", self.log()))
        if not {str(self.address[1]), str(self.admin[1])} <= printed:
            raise AssertionError(f"pgscope did not print its two addresses: {self.log()}")

    def _ready(self):
        self.child.alive()
        return get(self.admin, "/readyz")[0] == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()

    @property
    def url(self):
        """Address of the page."""
        return f"http://{self.admin[0]}:{self.admin[1]}"

    def log(self):
        """All it has printed."""
        return self.log_file.read_text(errors="replace")

    def page(self, path):
        """The body of a page that must be there."""
        status, body = get(self.admin, path)
        if status != 200:
            raise AssertionError(f"{path}: status {status}: {body[:300]}")
        return body

    def api(self, name, **query):
        """The list under `name` of `/api/v1/name`."""
        words = "&".join(f"{key}={value}" for key, value in query.items())
        return json.loads(self.page(f"/api/v1/{name}?{words}"))[name]

    def metrics(self):
        """A scrape."""
        return Metrics(self.page("/metrics"))

    def memory(self, key):
        """`VmRSS` or `VmHWM` in MiB."""
        status = Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB", status, re.M).group(1)) / 1024

    def quiet(self):
        """Wait until no connection is open: everything they carried is then counted."""
        eventually(lambda: self.metrics().total("connections_open") == 0, "all connections are closed")

    def stop(self):
        """SIGTERM; the exit status, with the end of the log where it is not 0."""
        status = self.child.stop()
        if status:
            say(f"pgscope ended with {status}:\n{self.log()[-2000:]}")
        return status


class Direct:
    """No proxy at all, to try the harness without a binary. It can count nothing."""

    direct = True

    def __init__(self, upstream):
        self.address = upstream

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def manage(address, database, *command, **settings):
    """Run a management command of the shop."""
    env = shop_environment(address, database, **settings)
    done = subprocess.run(
        [sys.executable, "manage.py", *command], cwd=SHOP, env=env, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def shop_environment(address, database, **settings):
    """Variables that shop/project/settings.py reads; the keywords become SHOP_<NAME>."""
    words = {"db_host": address[0], "db_port": address[1], "db_name": database, **settings}
    return {**os.environ, **{f"SHOP_{key.upper()}": str(value) for key, value in words.items()}}


def seeded(postgres, name="shop_template"):
    """A database with the shop's tables and rows, to be cloned."""
    say("migrating and seeding the shop")
    postgres.query(f'CREATE DATABASE "{name}"', "postgres")
    manage(postgres.address, name, "migrate", "--verbosity=0")
    manage(postgres.address, name, "seed")
    return name


class Gunicorn:
    """The shop in one worker process of 4 threads."""

    def __init__(self, address, database, **settings):
        self.address = "127.0.0.1", free_port()
        command = [sys.executable, "-m", "gunicorn", "project.wsgi", "--bind", f"{self.address[0]}:{self.address[1]}"]
        command += ["--worker-class", "gthread", "--workers", "1", "--threads", str(THREADS), "--graceful-timeout", "5"]
        env = shop_environment(address, database, **settings)
        # Newer versions open a control socket in the home folder unless told not to.
        command += ["--no-control-socket"] if _has_control_socket() else []
        self.child = Child(command, folder() / "log", cwd=SHOP, env=env)
        eventually(self._ready, "the shop answers")

    def _ready(self):
        self.child.alive()
        return accepts(self.address) and get(self.address, "/zero/")[0] == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()


def _has_control_socket():
    from gunicorn.config import KNOWN_SETTINGS

    return any(setting.name == "control_socket_disable" for setting in KNOWN_SETTINGS)
