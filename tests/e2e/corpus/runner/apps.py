"""The corpus behind Gunicorn or uvicorn, and its commands, in the environment of one Django."""

import http.client
import json
import subprocess
from collections import namedtuple
from pathlib import Path

from harness.console import eventually, say
from harness.process import ROOT, Child, accepts, folder, free_port
from harness.venv import environment, python_from, venv_for

PROJECT = ROOT / "tests" / "e2e" / "corpus"
# The oldest Python of each.
DJANGOS = {"4.2": (3, 8), "5.2": (3, 10), "6.0": (3, 12)}

# What the app itself saw. `repeats`: [times, different parameters, table] of each SELECT that ran more than once.
Visit = namedtuple("Visit", "path route start wall queries slowest repeats")


class Django:
    """One version in its own environment."""

    def __init__(self, version, python):
        self.version = version
        self.venv = venv_for(ROOT / "tests" / "e2e" / f"requirements-django-{version}.txt", python)
        self.python = self.venv / "bin" / "python"
        self.env = environment(self.venv)
        ask = "from gunicorn.config import KNOWN_SETTINGS as known; print(any(s.name == 'control_socket_disable' for s in known))"
        done = subprocess.run([self.python, "-c", ask], env=self.env, capture_output=True, text=True, check=True)
        self.control_socket = done.stdout.strip() == "True"

    def settings(self, address, database, settings):
        """Variables that project/settings.py reads; the keywords become CORPUS_<NAME>."""
        words = {"db_host": address[0], "db_port": address[1], "db_name": database, **settings}
        return {**self.env, **{f"CORPUS_{key.upper()}": str(value) for key, value in words.items()}}

    def manage(self, address, database, *command, **settings):
        """Output of a management command."""
        env = self.settings(address, database, settings)
        done = subprocess.run([self.python, "manage.py", *command], cwd=PROJECT, env=env, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"manage.py {' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def seeded(self, postgres):
        """A database with the corpus' tables and rows, to be cloned."""
        name = f"corpus_{self.version.replace('.', '_')}"
        say(f"Django {self.version}: making tables and rows")
        postgres.query(f'CREATE DATABASE "{name}"', "postgres")
        self.manage(postgres.address, name, "migrate", "--run-syncdb", "--verbosity=0")
        self.manage(postgres.address, name, "seed")
        return name

    def tasks(self, address, database, words, **settings):
        """Runs tasks one after another in one process, as a worker does; a word ends in `+` for comments."""
        lines = self.manage(address, database, "task", *words, **settings).splitlines()
        return [visit(f"task/{word.rstrip('+')}", json.loads(line)) for word, line in zip(words, lines, strict=True)]


def djangos(wanted):
    """Those of the versions for which there is a Python; says why where there is none."""
    for version in wanted:
        if python := python_from(*DJANGOS[version]):
            yield Django(version, python)
        else:
            minimum = ".".join(map(str, DJANGOS[version]))
            say(f"skipped: Django {version} needs Python {minimum}, and there is none here")


class App:
    """The corpus in one process: Gunicorn with `threads`, or uvicorn."""

    def __init__(self, django, address, database, threads=1, asgi=False, **settings):
        self.address = "127.0.0.1", free_port()
        host, port = self.address
        if asgi:
            command = ["uvicorn", "project.asgi:application", "--host", host, "--port", port, "--log-level", "warning"]
            command += ["--lifespan", "off"]
        else:
            worker = ["--worker-class", "gthread", "--threads", threads] if threads > 1 else ["--worker-class", "sync"]
            command = ["gunicorn", "project.wsgi", "--bind", f"{host}:{port}", "--workers", 1, *worker]
            command += ["--timeout", 120, "--graceful-timeout", 5]
            # Newer versions open a control socket in the home folder unless told not to.
            command += ["--no-control-socket"] if django.control_socket else []
        env = django.settings(address, database, settings)
        self.child = Child([django.python, "-m", *command], folder() / "log", cwd=PROJECT, env=env)
        eventually(self._ready, "the corpus answers")
        self.cookie = ""

    def _ready(self):
        self.child.alive()
        return accepts(self.address) and get(self.address, "/up/").status == 200

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.stop()

    def enter(self):
        """Log in, and fill the caches that a process fills once."""
        response = get(self.address, "/enter/")
        self.cookie = response.headers["Set-Cookie"].split(";")[0]
        return visit("enter", response.headers)

    def visit(self, path, comments=False):
        """One GET of a view."""
        headers = {"X-Comments": "1"} if comments else {}
        if path.split("/")[0] == "admin":
            headers["Cookie"] = self.cookie
        response = get(self.address, f"/{path}/", headers)
        if response.status != 200:
            log = Path(self.child.log).read_text(errors="replace")
            raise AssertionError(f"/{path}/: status {response.status}: {response.body[:500]}\n{log[-2500:]}")
        return visit(path, response.headers)


Response = namedtuple("Response", "status headers body")


def get(address, path, headers=None):
    """One GET on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return Response(response.status, response.headers, response.read().decode(errors="replace"))
    finally:
        connection.close()


def visit(path, words):
    """From the headers of a response, or the output of a command."""
    return Visit(
        path,
        words.get("X-Route", ""),
        float(words["X-Start"]),
        float(words["X-Wall"]),
        int(words["X-Query-Count"]),
        float(words["X-Slowest-Query"]),
        json.loads(words["X-Repeats"]),
    )
