"""The examples in the documents do what they say.

Usage: docs.py [--only WORD]. The binary is PGSCOPE_BIN or the release build.

Each block of code in the Markdown files is checked by its language: configurations of pgscope by `pgscope check`, those of
Prometheus by promtool, Python by compiling it, SQL by a real PostgreSQL. Each command in a `sh` block is run here (`RUN`), or
another place runs it (`ELSEWHERE`), or there is a reason why it cannot be run (`NOT_HERE`). A command that is in none of these
fails, and so does an entry that no document has any more. Links and paths are checked by tests/it/documents.rs.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-operations.txt")

import yaml
from harness.console import Checks, eventually, say
from harness.debian import installed
from harness.postgres import Postgres
from harness.process import ROOT, Child, folder, free_port
from harness.servers import binary, get
from harness.wire import ServerError

SUITE = "tests/e2e/suite.py"

# Commands that are run here: beginnings.
RUN = ("pgscope ", "target/release/pgscope ", "make demo", "curl ")

# `pgscope exec` needs a project to test; its page has a test of its own, also of the file of budgets.
EXEC = "pgscope exec "
EXEC_PAGE = ("docs/ci.md", "tests/e2e/exec.py", 'ROOT / "docs" / "ci.md"')

# Commands that another place runs: the file, and the words there.
ELSEWHERE = {
    "cargo build": (SUITE, 'cargo("test")'),
    "cargo build --release": (SUITE, 'cargo("build", "--release", "--bins")'),
    "cargo test": (SUITE, 'cargo("test")'),
    "cargo fmt --check": (SUITE, 'cargo("fmt", "--check")'),
    "cargo clippy --all-targets -- -D warnings": (SUITE, 'cargo("clippy", "--all-targets", "--", "-D", "warnings")'),
    "cargo test --manifest-path tests/containers/Cargo.toml": (SUITE, '"--manifest-path", "tests/containers/Cargo.toml"'),
    "make check": (SUITE, "yield from check()"),
    "make test": (".ci/run", "exec make test"),
}

# Commands that are run nowhere by themselves, and why. Their parts are looked at: targets of make, scripts and their options.
NOT_HERE = {
    "make suites": "it takes hours; `make test` runs the short ones of them",
    "make tools": "it installs into the home folder",
    "make soak": "it takes 20 minutes; `make test` runs the same for less long (tests/heavy/run.py)",
    "make fuzz": "it takes an hour for each target; `make test` runs them for a minute each (make fuzz-smoke)",
    "python3 tests/e2e/realcode.py": "it installs django-oscar and Wagtail; run by hand, docs/accuracy.md has the outcome",
    "python3 benches/overhead/": "it takes 40 minutes, and its figures need a machine of their own (make bench)",
    "cargo bench": "its figures need a machine of their own (make bench)",
    "cd benches/libpg_query && cargo bench": "it builds a C library and needs libclang",
    "valgrind ": "it needs valgrind, and looks at one machine",
}

# What Python examples leave out, as Python can read it.
LEFT_OUT = {"…": "...", "{..., ": "{**{}, "}
# Programs whose commands in prose are looked at too, and what only looks like one.
NO_COMMANDS = {"pgscope off"}
TOOLS = re.compile(r"^(make|python3|pgscope) ")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    checks = Checks("e2e-docs")
    examples = Examples(checks)
    for path in documents():
        if options.only in path:
            with checks.guard(path):
                examples.document(path)
    if not options.only:
        for command in {**ELSEWHERE, **NOT_HERE}:
            checks.that(command in examples.used, f"{command}: a document has it")
    for command in sorted(examples.used & set(NOT_HERE)):
        say(f"not run here: {command.strip()}: {NOT_HERE[command]}")
    return checks.finish()


def documents():
    """The Markdown files of the project, from its root."""
    found = [path.relative_to(ROOT) for path in ROOT.rglob("*.md")]
    return sorted(str(path) for path in found if not {"target", "node_modules", ".git"} & set(path.parts))


def blocks(text):
    """(line, language, code) of each fenced block."""
    fence = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
    for found in fence.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[2], textwrap.dedent(found[3])


def commands(block):
    """The commands of a block, without their comments; a backslash at the end goes on."""
    for line in re.sub(r"\\\n\s*", "", block).splitlines():
        command = re.sub(r"(^|\s+)#.*", "", line).strip()
        if command:
            yield command


class Examples:
    """What the examples run against: a PostgreSQL, and a folder that looks like what they were written for."""

    def __init__(self, checks):
        self.checks = checks
        self.used = set()
        self.promtool = installed("prometheus", "promtool")
        self.postgres = Postgres()
        self.home = folder()
        (self.home / "target" / "release").mkdir(parents=True)
        (self.home / "bin").mkdir()
        for name in ("target/release/pgscope", "bin/pgscope"):
            (self.home / name).symlink_to(Path(binary()).resolve())
        for name in (".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions", "man1"):
            (self.home / name).mkdir(parents=True)
        self.env = {**os.environ, "HOME": str(self.home), "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}"}
        host, port = self.postgres.address
        self.places = {
            "db.internal:5432": f"{host}:{port}",
            "db:5432": f"{host}:{port}",
            "/usr/local/share/man/man1": str(self.home / "man1"),
        }

    def document(self, path):
        """All blocks of a document, then what its prose names."""
        text = (ROOT / path).read_text()
        found = list(blocks(text))
        if found:
            say(f"{path}: {len(found)} blocks")
        with Servers(self) as self.servers:
            for line, language, code in found:
                where = f"{path}:{line}"
                with self.checks.guard(where):
                    getattr(self, f"of_{language or 'nothing'}", self.of_unknown)(where, code)
        for span in re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)):
            if TOOLS.match(span) and span not in NO_COMMANDS:
                self.parts(f"{path}: `{span}`", span)

    def of_unknown(self, where, code):
        """Each language has its check."""
        self.checks.that(False, f"{where}: a block in a language that docs.py checks", code[:200])

    def of_nothing(self, where, code):
        """A picture."""

    def of_sh(self, where, code):
        """Each command is run, or it is known why not."""
        for command in commands(code):
            what = f"{where}: {command}"
            # Which of the cases a test runs makes no other command.
            plain = command.split(" -- --majors")[0]
            self.parts(what, command)
            if command.startswith(EXEC):
                self.of_exec(where)
            elif command.startswith(RUN):
                self.run(what, command)
            elif plain in ELSEWHERE:
                self.used.add(plain)
                file, words = ELSEWHERE[plain]
                self.checks.that(words in (ROOT / file).read_text(), f"{what}: {file} runs it with {words}")
            elif reason := next((start for start in NOT_HERE if command.startswith(start)), None):
                self.used.add(reason)
            else:
                self.checks.that(False, f"{what}: is run here, or elsewhere, or has a reason (see the top of docs.py)")

    def of_exec(self, where):
        """The test of the page on exec runs all that is in its blocks."""
        page, file, words = EXEC_PAGE
        known = where.startswith(f"{page}:") and words in (ROOT / file).read_text()
        self.checks.that(known, f"{where}: {file} runs what {page} has, and no other page")

    def parts(self, what, command):
        """What a command names is there: targets of make, scripts and their options, commands of pgscope and their flags."""
        command = re.sub(r"\s+([>|&]|-- ).*", "", command)
        program, *words = command.split()
        if program == "make":
            names = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
            known = all(word in names or "=" in word or word == "-n" for word in words)
            self.checks.that(known, f"{what}: make knows it", names)
        elif program == "python3" and words:
            script = ROOT / words[0]
            if self.checks.that(script.exists(), f"{what}: the script is there"):
                source = script.read_text()
                for flag in re.findall(r"(?<=\s)--[\w-]+", command):
                    self.checks.that(f'"{flag}"' in source, f"{what}: the script takes {flag}")
        elif program.split("/")[-1] == "pgscope" and words and words[0].isalpha():
            done = self.shell(f"pgscope {words[0]} --help")
            if self.checks.that(done.returncode == 0, f"{what}: pgscope knows the command", done.stderr):
                for flag in re.findall(r"(?<=\s)--[\w-]+", command):
                    self.checks.that(re.search(rf"{flag}\b", done.stdout), f"{what}: it takes {flag}")

    def shell(self, command):
        """What a command did."""
        for name, place in self.places.items():
            command = command.replace(name, place)
        return subprocess.run(["bash", "-c", command], cwd=self.home, env=self.env, capture_output=True, text=True, timeout=600)

    def run(self, what, command):
        """Run a command; a server stays for the commands after it in the same document."""
        if " serve" in command:
            return self.servers.start(what, command)
        if command.startswith("curl "):
            if not shutil.which("curl"):
                return say(f"skipped: {what}, for want of curl")
            # curl takes an answer such as 404 for a success, unless it is told.
            command = command.replace("curl ", "curl --fail ", 1).replace("127.0.0.1:9187", self.servers.admin(what))
        if command == "make demo":
            # `make` would build the release first; its script is what it runs then.
            self.checks.that("python3 tests/e2e/demo.py" in (ROOT / "Makefile").read_text(), f"{what}: make runs the script")
            env = {**os.environ, "DEMO_ONCE": "1", "PGSCOPE_BIN": str(Path(binary()).resolve())}
            env.pop("PGSCOPE_E2E_VENV", None)
            env.pop("PYTHONPATH", None)
            done = subprocess.run([shutil.which("python3"), ROOT / "tests/e2e/demo.py"], env=env, capture_output=True, text=True)
        else:
            done = self.shell(command)
        self.checks.that(done.returncode == 0, f"{what}: ends well", lambda: (done.stdout + done.stderr)[-1500:])

    def of_toml(self, where, code):
        """A configuration of pgscope."""
        if where.startswith(f"{EXEC_PAGE[0]}:") and "max_queries" in code:
            return self.of_exec(where)
        file = self.home / "pgscope.toml"
        file.write_text(code)
        done = self.shell(f"pgscope check {file}")
        self.checks.that(done.returncode == 0, f"{where}: pgscope check takes it", done.stderr)

    def of_text(self, where, code):
        """What pgscope says of a mistake, where it is one in a file."""
        if found := re.match(r"error: pgscope\.toml:(\d+):1: unknown key `(\w+)`", code):
            file = self.home / "pgscope.toml"
            file.write_text("\n" * (int(found[1]) - 1) + f'{found[2]} = "127.0.0.1:6432"\n')
            done = self.shell("pgscope check pgscope.toml")
            self.checks.equal((done.returncode, done.stderr), (2, code), f"{where}: pgscope says so")

    def of_yaml(self, where, code):
        """A configuration of Prometheus, or at least YAML."""
        read = yaml.safe_load(code)
        if not isinstance(read, dict) or "scrape_configs" not in read:
            return self.checks.that(read, f"{where}: YAML that holds something")
        if not self.promtool:
            return say(f"skipped: {where}: promtool check config, for want of promtool")
        file = self.home / "prometheus.yml"
        file.write_text(code)
        done = subprocess.run([self.promtool, "check", "config", file], capture_output=True, text=True)
        self.checks.that(done.returncode == 0, f"{where}: promtool takes it", done.stdout + done.stderr)

    def of_python(self, where, code):
        """Python, once what is left out is written as `...`."""
        for name, place in LEFT_OUT.items():
            code = code.replace(name, place)
        with self.checks.guard(f"{where}: Python compiles it"):
            # Parts of functions may return; parts of a dict have keys.
            head, tail = ("example = {\n", "}") if code.startswith('"') else ("def example():\n", "")
            compile(head + textwrap.indent(code, "    ") + tail, where, "exec")
            self.checks.that(True, where)

    def of_sql(self, where, code):
        """SQL that a PostgreSQL takes, once what is left out is a number."""
        for statement in filter(str.strip, re.sub(r"--.*", "", code).split(";")):
            try:
                self.postgres.query(statement.replace("SELECT …", "SELECT 1"), "postgres")
                self.checks.that(True, where)
            except ServerError as error:
                self.checks.that(False, f"{where}: PostgreSQL takes it", f"{statement.strip()}: {error}")


class Servers:
    """The `pgscope serve` of one document, on ports that are free."""

    def __init__(self, examples):
        self.examples, self.child = examples, None
        self.address = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child:
            self.child.stop()

    def start(self, what, command):
        """Start it; the next one takes its place."""
        self.__exit__()
        examples, admin = self.examples, ("127.0.0.1", free_port())
        # Variables, so that the command stays as it is written; `pgscope report` reads the same one.
        examples.env.update(PGSCOPE_LISTEN=f"127.0.0.1:{free_port()}", PGSCOPE_ADMIN=f"{admin[0]}:{admin[1]}")
        for name, place in examples.places.items():
            command = command.replace(name, place)
        self.address = examples.env["PGSCOPE_ADMIN"]
        self.child = Child(["bash", "-c", f"exec {command}"], examples.home / "log", env=examples.env, cwd=examples.home)
        ready = eventually(lambda: self.child.alive() and get(admin, "/healthz")[0] == 200, f"{what}: it serves")
        examples.checks.that(ready, f"{what}: it serves")

    def admin(self, what):
        """The admin address of one that runs, started where the document starts none."""
        if not self.child:
            self.start(what, "pgscope serve --upstream db:5432")
        return self.address


if __name__ == "__main__":
    sys.exit(main())
