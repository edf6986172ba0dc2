"""PostgreSQL's own tests, directly and through pgscope: pg_regress, the isolation tester and libpq_pipeline.

Usage: postgres.py [--only WORD]. The binary is PGSCOPE_BIN or the release build. The sources are those of the Debian
package that the machine's PostgreSQL comes from, in the same version, kept below target/. With a PostgreSQL 18 below
target/ (sequences/run.py --majors 18) libpq_pipeline runs a second time with its libpq, which speaks protocol 3.2.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "e2e"), str(HERE / "sequences")]

import majors
import sources
import twice
from harness.console import Checks, say
from harness.postgres import server_user
from harness.process import folder, target
from harness.servers import binary

# "test boolean ... ok  12 ms", and four spaces before those of a parallel group.
LINE = re.compile(r"^(?:test| {4}) ([^ ].*?) +\.\.\. (ok|FAILED|failed \(ignored\))", re.M)
CONNECTIONS = "6"
ROWS = "700"
# Sends a million executions without waiting for an answer: more than pgscope remembers, and it says so.
FLOOD = "uniqviol"
FLOOD_LOSES = ("pairing", "queue_full")


class Sources:
    """The source tree, the programs and a place for what is compiled."""

    def __init__(self, major, programs):
        package = f"postgresql-{major}"
        if not programs.is_relative_to("/usr/lib/postgresql"):
            raise sources.Missing(f"{programs} is not of the Debian package {package}")
        if not shutil.which("gcc"):
            raise sources.Missing("gcc is missing")
        version = sources.debian_version(package)
        self.tree = sources.of_debian(package, version)
        self.headers = sources.files_of_debian(f"postgresql-server-dev-{major}", version)
        self.libraries = programs.parent / "lib"
        self.testers = self.libraries / "pgxs" / "src" / "test"
        self.programs = programs
        archives = self.headers / "usr" / "lib" / "postgresql" / str(major) / "lib"
        self.archives = [archives / f"lib{name}.a" for name in ("pgcommon", "pgport")]
        self.includes = [
            self.tree / "src" / "interfaces" / "libpq",
            self.headers / "usr" / "include" / "postgresql" / str(major) / "server",
        ]
        self.built = target() / "suites" / f"postgres-built-{version}"
        self.built.mkdir(parents=True, exist_ok=True)
        self.built.chmod(0o755)

    def compile(self, source, name, *words):
        """gcc, unless it has been done."""
        result = self.built / name
        if not result.exists():
            say(f"compiling {source.name}")
            includes = [f"-I{path}" for path in self.includes]
            command = ["gcc", "-O1", "-w", *includes, "-o", result, source, *words]
            done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
            if done.returncode:
                raise sources.Missing(f"{source.name} does not compile: {done.stderr[-1000:]}")
        return result


def schedule(tree, tester, name, libraries):
    """A run of pg_regress or pg_isolation_regress over a schedule."""

    def run(server, address):
        runs_as = server_user()
        # The server reads the data from here and writes its results here.
        home = folder(runs_as)
        inputs, outputs = home / "in", home / "out"
        shutil.copytree(tree, inputs, ignore=shutil.ignore_patterns("*.c", "*.o"))
        outputs.mkdir()
        for library in libraries:
            shutil.copy(library, home)
        for path in [home, *home.rglob("*")]:
            if runs_as:
                os.chown(path, *runs_as)
        command = [tester, f"--host={address[0]}", f"--port={address[1]}", f"--user={server.user}", f"--dlpath={home}"]
        command += [f"--inputdir={inputs}", f"--outputdir={outputs}", f"--bindir={server.bin}"]
        command += [f"--schedule={inputs / name}", f"--max-connections={CONNECTIONS}"]
        who = {"user": runs_as[0], "group": runs_as[1], "extra_groups": []} if runs_as else {}
        env = {**os.environ, **twice.PLAIN}
        done = subprocess.run([str(word) for word in command], cwd=outputs, env=env, capture_output=True, text=True, **who)
        outcomes = {test: "ok" if end == "ok" else "failed" for test, end in LINE.findall(done.stdout)}
        if not outcomes:
            raise RuntimeError(f"{tester.name}: {done.stdout[-1000:]}{done.stderr[-1000:]}")
        # How it fails must be the same too.
        for test, end in outcomes.items():
            if end != "ok":
                outcomes[test] = "failed: " + difference(outputs / "regression.diffs", test)
        return outcomes

    return run


def difference(file, test):
    """What pg_regress found different in a test, without names of files, times and process ids."""
    parts = re.split(r"^diff .*/(.+)\.out\n", file.read_text(errors="replace"), flags=re.M)
    for name, text in zip(parts[1::2], parts[2::2]):
        if re.sub(r"_\d$", "", name) == test:
            return "\n".join(line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---"))
    return "no difference told"


def pipeline(program, libraries, connection, names, traced):
    """A run of tests of libpq_pipeline. `run.traces`: what libpq sent and got, by test, of each run."""
    env = {**os.environ, **twice.PLAIN, "LD_LIBRARY_PATH": str(libraries)}

    def run(server, address):
        where = f"host={address[0]} port={address[1]} user={server.user} dbname=postgres {connection}"
        outcomes = {}
        for test in names:
            trace = folder() / "trace"
            command = [program, "-r", ROWS, *(["-t", trace] if test in traced else []), test, where]
            done = subprocess.run(command, env=env, capture_output=True, text=True)
            outcomes[test] = "ok" if done.returncode == 0 else f"failed: {done.stderr[-300:]}"
            if test in traced and trace.exists():
                run.traces[test].append(trace.read_text())
        return outcomes

    run.traces = defaultdict(list)
    return run


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options = options.parse_args()
    binary()  # ends here where there is none
    checks = Checks("postgres")
    major, programs = majors.of_machine()
    try:
        source = Sources(major, programs)
    except sources.Missing as reason:
        say(f"skipped: {reason}")
        return 0
    for name, suite in {"regress": regress, "isolation": isolation, "libpq_pipeline": libpq_pipeline}.items():
        if options.only in name:
            with checks.guard(name):
                suite(checks, source)
    return checks.finish()


def regress(checks, source):
    """SQL, and all that psql can do."""
    tree = source.tree / "src" / "test" / "regress"
    ours = source.compile(tree / "regress.c", "regress.so", "-shared", "-fPIC")
    libraries = [ours, source.libraries / "autoinc.so", source.libraries / "refint.so"]
    run = schedule(tree, source.testers / "regress" / "pg_regress", "parallel_schedule", libraries)
    twice.judge(checks, "regress", run, source.programs, least=200)


def isolation(checks, source):
    """Several sessions in each other's way: locks, cancels, notifications."""
    tree = source.tree / "src" / "test" / "isolation"
    run = schedule(tree, source.testers / "isolation" / "pg_isolation_regress", "isolation_schedule", [])
    twice.judge(checks, "isolation", run, source.programs)


def libpq_pipeline(checks, source):
    """Pipelines."""
    home = source.tree / "src" / "test" / "modules" / "libpq_pipeline"
    # Those whose messages do not depend on timing.
    traced = {path.stem for path in (home / "traces").glob("*.trace")}
    linked = [*source.archives, "-l:libpq.so.5", "-lm"]
    program = source.compile(home / "libpq_pipeline.c", "libpq_pipeline", *linked)
    runs = [("libpq_pipeline", program, source.programs, "", "")]
    if eighteen := majors.installed(18):
        # PostgreSQL 16 has given a setting another name.
        later = source.built / "libpq_pipeline_later.c"
        text = (home / "libpq_pipeline.c").read_text()
        later.write_text(text.replace("force_parallel_mode", "debug_parallel_query"))
        program = source.compile(later, "libpq_pipeline_later", *linked)
        runs.append(("libpq_pipeline 18", program, eighteen, eighteen.parent / "lib", "max_protocol_version=latest"))
    else:
        say("libpq_pipeline with PostgreSQL 18: skipped, sequences/run.py --majors 18 installs it")
    names = subprocess.run([program, "tests"], capture_output=True, text=True, check=True).stdout.split()
    for name, program, programs, libraries, connection in runs:
        for part, tests, lost in (("", [test for test in names if test != FLOOD], ()), (f" {FLOOD}", [FLOOD], FLOOD_LOSES)):
            run = pipeline(program, libraries, connection, tests, traced)
            twice.judge(checks, name + part, run, programs, least=len(tests), lost=lost)
            for test in traced & set(tests):
                direct, through = run.traces[test]
                checks.equal(through, direct, f"{name}: the same messages in {test}")


if __name__ == "__main__":
    sys.exit(main())
