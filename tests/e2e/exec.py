"""`pgscope exec` as a CI job has it: the tests of a Django project, with manage.py and with pytest, right and with planted mistakes.

Usage: exec.py [--only WORD]. The binary is PGSCOPE_BIN or the release build.
"""

import argparse
import fcntl
import json
import os
import pty
import shlex
import shutil
import struct
import subprocess
import sys
import termios
import xml.etree.ElementTree as ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.process import ROOT, folder
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-exec.txt")

from harness import schemas
from harness.console import Checks, say
from harness.postgres import Postgres
from harness.servers import binary

PROJECT = ROOT / "tests" / "e2e" / "gate"
MANAGE = [sys.executable, "manage.py", "test", "--verbosity", "0"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "wines/tests.py"]
COMMANDS = {"manage.py": MANAGE, "pytest": PYTEST}


class Run:
    """One run of `pgscope exec`, with a report of each format."""

    def __init__(self, postgres, options, command, **settings):
        self.folder = folder()
        env = {**postgres.environment(), "DJANGO_SETTINGS_MODULE": "project.settings"}
        env |= {f"GATE_{name.upper()}": value for name, value in settings.items()}
        reports = [word for name in ("sarif", "xml", "json", "md", "txt") for word in ("--report", self.folder / f"report.{name}")]
        words = [binary(), "exec", *options, *reports, "--", *command]
        done = subprocess.run([str(word) for word in words], cwd=PROJECT, env=env, capture_output=True, text=True)
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def read(self, name):
        """A report as text."""
        return (self.folder / f"report.{name}").read_text()

    def json(self, name="json"):
        """A report as values."""
        return json.loads(self.read(name))

    def failing(self):
        """(name, route) of the findings that fail."""
        found = [finding for finding in self.json()["findings"] if finding["standing"] == "fails"]
        return sorted((f"{finding['detector']}/{finding['kind']}", finding["route"]) for finding in found)

    def told(self):
        """What there is to see of it where a check fails."""
        return f"status {self.code}\n{self.out[-1500:]}\n{self.err[-3000:]}"


def mistakes(checks, postgres):
    """A planted N+1 is found in the page that makes it; without it all is well."""
    for name, command in COMMANDS.items():
        options = ["--fail-on", "n_plus_one", "--max-queries", "20"]
        run = Run(postgres, options, command, comments="1", mistakes="forward,reverse")
        checks.equal(run.code, 3, f"{name}: planted mistakes fail")
        planted = [("n_plus_one/forward_fk", "wines/"), ("n_plus_one/reverse_fk", "vineyards/")]
        checks.equal(run.failing(), planted, f"{name}: both are found, each in its page")
        fixes = {finding["route"]: finding["fix"] for finding in run.json()["findings"] if finding["detector"] == "n_plus_one"}
        checks.that('select_related("vineyard")' in fixes.get("wines/", ""), f"{name}: with the fix", fixes)
        broken = [(check["route"], check["found"]) for check in run.json()["budgets"] if not check["kept"]]
        checks.equal(broken, [("wines/", 25.0)], f"{name}: the budget counts what the page does, and not the set-up of its test")
        right = Run(postgres, [*options, "--fail-on", "long_transaction"], command, comments="1")
        checks.equal(right.code, 0, f"{name}: without mistakes it passes") or say(right.told())
        routes = {route["route"]: (route["requests"], route["most_queries"]) for route in right.json()["routes"]}
        told = {route: routes.get(route) for route in ("wines/", "wines/<int:pk>/", "vineyards/")}
        truth = {"wines/": (2, 1), "wines/<int:pk>/": (2, 2), "vineyards/": (1, 2)}
        checks.equal(told, truth, f"{name}: requests and their queries")
        checks.that("5 requests were told apart exactly" in right.json()["notes"][0], f"{name}: how sure it is", right.json()["notes"])


def parallel(checks, postgres):
    """Processes that share the one proxy, each with a test database of its own."""
    run = Run(postgres, ["--fail-on", "n_plus_one"], [*MANAGE, "--parallel", "2"], comments="1", mistakes="forward,reverse")
    planted = [("n_plus_one/forward_fk", "wines/"), ("n_plus_one/reverse_fk", "vineyards/")]
    checks.equal((run.code, run.failing()), (3, planted), "parallel: both are found") or say(run.told())
    counts = {route["route"]: route["requests"] for route in run.json()["routes"] if not route["route"].startswith("~")}
    checks.equal(counts, {"wines/": 2, "wines/<int:pk>/": 2, "vineyards/": 1}, "parallel: each request once")


def test_code(checks, postgres):
    """What the tests themselves do in their set-up is shown, and fails nothing."""
    run = Run(postgres, ["--fail-on", "insert_loop,duplicate_query,n_plus_one", "--max-queries", "20"], MANAGE, comments="1")
    found = {(finding["detector"], finding["callsite"].split(":")[0]) for finding in run.json()["findings"] if finding["standing"] == "test_code"}
    checks.that(("insert_loop", "wines/tests.py") in found, "test code: loops of the set-up are shown", found)
    checks.equal(run.code, 0, "test code: and fail nothing") or say(run.told())


def without_comments(checks, postgres):
    """Without a boundary on the wire the mistake is found all the same, and the report says what a request is taken to be."""
    for name, command in COMMANDS.items():
        run = Run(postgres, ["--fail-on", "n_plus_one"], command, mistakes="forward")
        checks.equal(run.code, 3, f"{name}: the mistake fails without comments too")
        checks.equal([found for found, _ in run.failing()], ["n_plus_one/forward_fk"], f"{name}: it is the planted one")
        note = run.json()["notes"][0]
        checks.that("may be a whole test" in note, f"{name}: the report says that a request may be a whole test", note)
        checks.that('MIDDLEWARE = ["pgscope_comments.middleware", ...]' in note, f"{name}: and which line to add", note)
        run = Run(postgres, ["--fail-on", "n_plus_one"], command)
        checks.equal(run.code, 0, f"{name}: and without the mistake it passes") or say(run.told())


def own_failure(checks, postgres):
    """A test that fails is more than any finding."""
    for name, command in COMMANDS.items():
        run = Run(postgres, ["--fail-on", "n_plus_one"], command, comments="1", mistakes="forward", broken="1")
        checks.equal(run.code, 1, f"{name}: its own status is passed on")
        checks.equal(run.json()["verdict"], "failed", f"{name}: the report is there all the same")


def deaf(checks, postgres):
    """A project that does not read PGHOST goes past pgscope, and that is no pass."""
    host, port = postgres.address
    run = Run(postgres, ["--fail-on", "n_plus_one"], MANAGE, deaf=f"{host}:{port}")
    checks.equal(run.code, 2, "past pgscope: the gate does not pass")
    checks.that('"HOST": os.environ.get("PGHOST", "localhost"),' in run.read("txt"), "past pgscope: the lines to write", run.told)
    checks.equal(run.json()["connections"], 0, "past pgscope: no connection")


def baseline(checks, postgres):
    """What is there today is accepted, what is new fails, what is gone is named."""
    file = folder() / "pgscope-baseline.toml"
    update = ["--fail-on", "n_plus_one", "--baseline", file, "--update-baseline"]
    run = Run(postgres, update, MANAGE, comments="1", mistakes="forward")
    checks.equal(run.code, 0, "baseline: writing it passes") or say(run.told())
    first = file.read_text()
    for word in ('detector = "n_plus_one"', 'route = "wines/"', "fingerprint = ", "parent_fingerprint = ", "select_related"):
        checks.that(word in first, f"baseline: it has {word}", first)
    checks.that("wine 1" not in first and "vineyard 1" not in first, "baseline: no literals", first)
    again = Run(postgres, update, PYTEST, comments="1", mistakes="forward")
    causes = lambda text: {line for line in text.splitlines() if line.startswith("fingerprint")}
    checks.equal((again.code, causes(file.read_text())), (0, causes(first)), "baseline: the same causes with pytest")
    held = ["--fail-on", "n_plus_one", "--baseline", file]
    run = Run(postgres, held, PYTEST, comments="1", mistakes="forward")
    checks.equal((run.code, run.failing()), (0, []), "baseline: what it has is accepted")
    run = Run(postgres, held, PYTEST, comments="1", mistakes="forward,reverse")
    checks.equal((run.code, run.failing()), (3, [("n_plus_one/reverse_fk", "vineyards/")]), "baseline: what is new fails")
    states = {(result["ruleId"], result["baselineState"]) for result in run.json("sarif")["runs"][0]["results"]}
    wanted = {("n_plus_one", "unchanged"), ("n_plus_one", "new")}
    checks.that(wanted <= states, "baseline: SARIF tells old from new", states)
    valid(checks, run, "baseline")
    run = Run(postgres, held, MANAGE, comments="1")
    stale = [(entry["detector"], entry["route"]) for entry in run.json()["stale"]]
    checks.that(run.code == 0 and ("n_plus_one", "wines/") in stale, "baseline: what is gone is named", run.told)
    checks.that("of the baseline did not occur" in run.read("txt"), "baseline: also in the text", run.read("txt"))
    before = file.read_text()
    run = Run(postgres, update, MANAGE, comments="1", broken="1")
    checks.equal((run.code, file.read_text()), (1, before), "baseline: a failed run does not write it")


def budgets(checks, postgres):
    """Budgets by route."""
    file = folder() / "budget.toml"
    for text, code, broken in (
        ('[default]\nmax_queries = 20\n[routes."wines/"]\nmax_queries = 30\n', 0, []),
        ('[default]\nmax_queries = 30\n[routes."wines/*"]\nmax_queries = 1\n', 3, [("wines/<int:pk>/", 2.0)]),
        ('[routes."*"]\nmax_findings = 0\nmax_queries = 100\n[routes."~*"]\nmax_findings = 99\n', 3, [("wines/", 1.0)]),
        ('[routes."wines/"]\nmax_database_seconds = 0.0\n', 3, None),
    ):
        file.write_text(text)
        mistake = "" if "1\n" in text else "forward"
        run = Run(postgres, ["--budget", file], MANAGE, comments="1", mistakes=mistake)
        found = [(check["route"], check["found"]) for check in run.json()["budgets"] if not check["kept"]]
        checks.equal(run.code, code, f"budget: status of {text!r}") or say(run.told())
        if broken is not None:
            checks.equal(found, broken, f"budget: what is broken of {text!r}")
    valid(checks, run, "budget")
    file.write_text('[routes."beers/"]\nmax_queries = 1\n')
    run = Run(postgres, ["--budget", file], MANAGE, comments="1")
    checks.that('[routes."beers/"] was not needed' in run.read("txt"), "budget: one of no route is named", run.told)


def reports(checks, postgres):
    """Every format is what its readers take it for."""
    run = Run(postgres, ["--fail-on", "n_plus_one", "--max-queries", "20"], MANAGE, comments="1", mistakes="forward,reverse")
    valid(checks, run, "reports")
    sarif = run.json("sarif")["runs"][0]
    rules = [rule["id"] for rule in sarif["tool"]["driver"]["rules"]]
    checks.that({"n_plus_one", "slow_query", "query_budget"} <= set(rules), "reports: SARIF has a rule for each detector", rules)
    help_text = next(rule for rule in sarif["tool"]["driver"]["rules"] if rule["id"] == "n_plus_one")["help"]["markdown"]
    checks.that("# When it is wrong" in help_text, "reports: with its documentation", help_text[:200])
    results = [result for result in sarif["results"] if result["ruleId"] == "n_plus_one"]
    checks.equal([rules[result["ruleIndex"]] for result in results], ["n_plus_one"] * 2, "reports: results name their rule")
    places = {result["locations"][0].get("physicalLocation", {}).get("artifactLocation", {}).get("uri") for result in results}
    checks.equal(places, {"wines/views.py"}, "reports: and the file that made the mistake")
    again = Run(postgres, ["--fail-on", "n_plus_one"], PYTEST, comments="1", mistakes="forward,reverse").json("sarif")["runs"][0]
    prints = lambda found: {result["partialFingerprints"]["pgscopeCause/v1"] for result in found if result["ruleId"] == "n_plus_one"}
    checks.equal(prints(again["results"]), prints(results), "reports: the same fingerprints in every run")
    suites = ElementTree.fromstring(run.read("xml"))
    failures = [(case.get("classname"), case.get("name").split(" ")[0]) for case in suites.iter("testcase") if case.find("failure") is not None]
    planted = {("pgscope.n_plus_one.forward_fk", "wines/"), ("pgscope.n_plus_one.reverse_fk", "vineyards/")}
    checks.equal(set(failures), planted | {("pgscope.budget.max_queries", "wines/")}, "reports: JUnit fails what fails")
    checks.equal(int(suites.get("failures")), len(failures), "reports: JUnit counts them")
    checks.that("`n_plus_one/forward_fk` in `wines/` (fails)" in run.read("md"), "reports: Markdown", run.read("md"))
    checks.that("vineyard 1" not in "".join(run.read(name) for name in ("sarif", "xml", "json", "md", "txt")), "reports: no literals")


def valid(checks, run, name):
    """SARIF and JUnit against their schemas."""
    import jsonschema
    import xmlschema

    schema, why = schemas.sarif()
    if schema:
        errors = [error.message[:300] for error in jsonschema.Draft4Validator(schema).iter_errors(run.json("sarif"))]
        checks.equal(errors, [], f"{name}: SARIF is valid")
    else:
        say(f"skipped: {name}: SARIF against its schema: {why}")
    text, why = schemas.junit()
    if text:
        errors = [error.reason for error in xmlschema.XMLSchema(text).iter_errors(run.read("xml"))]
        checks.equal(errors, [], f"{name}: JUnit XML is valid")
    else:
        say(f"skipped: {name}: JUnit XML against its XSD: {why}")


def terminal(checks, postgres):
    """At a terminal the last line shows how far things are, and is given back; in CI it is left alone."""
    for variables, shown in (({"TERM": "xterm"}, True), ({"TERM": "xterm", "CI": "true"}, False), ({"TERM": "dumb"}, False)):
        env = {**postgres.environment(), "DJANGO_SETTINGS_MODULE": "project.settings", "GATE_COMMENTS": "1"}
        env.pop("CI", None)
        text = at_terminal([binary(), "exec", "--fail-on", "n_plus_one", "--", *MANAGE], {**env, **variables})
        checks.equal("\x1b[1;23r" in text, shown, f"terminal: {variables}: the lines above the last one scroll")
        checks.equal("\x1b[24;1H\x1b[2K\x1b[7mpgscope: 0 connections" in text, shown, f"terminal: {variables}: the line")
        checks.equal("\x1b[r" in text.partition("pgscope: 0 connections")[2], shown, f"terminal: {variables}: it is given back")
        checks.that("pgscope: passed" in text, f"terminal: {variables}: the verdict", text)


def at_terminal(command, env):
    """What a command writes to a terminal of 24 lines."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    words = [str(word) for word in command]
    with subprocess.Popen(words, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=slave, stderr=slave):
        os.close(slave)
        text = b""
        try:
            while chunk := os.read(master, 4096):
                text += chunk
        except OSError:
            pass  # Linux says so where the other side is closed.
    os.close(master)
    return text.decode(errors="replace")


def documentation(checks, postgres):
    """Every command of docs/ci.md is one that pgscope takes."""
    lines = (ROOT / "docs" / "ci.md").read_text().replace("\\\n", " ").splitlines()
    commands = [line.strip().removeprefix("- ").removeprefix("run: ") for line in lines]
    commands = [line for line in commands if line.startswith("pgscope exec ")]
    checks.that(len(commands) >= 5, "docs/ci.md has commands", commands)
    place = folder()
    upstream = "{}:{}".format(*postgres.address)
    env = {**postgres.environment(), "DJANGO_SETTINGS_MODULE": "project.settings", "GATE_COMMENTS": "1"}
    # Beside the settings, as the page has it.
    shutil.copytree(PROJECT, place, dirs_exist_ok=True)
    shutil.copy(ROOT / "proxy-config" / "django" / "pgscope_comments.py", place)
    (place / "pytest.ini").write_text("[pytest]\npython_files = tests.py\naddopts = -p no:cacheprovider\n")
    budget = (ROOT / "docs" / "ci.md").read_text().split("```toml\n")[1].split("```")[0]
    (place / "pgscope-budget.toml").write_text(budget)
    for command in commands:
        words = [str(binary()), *shlex.split(command.split(" #")[0])[1:]]
        words = [upstream if word == "db:5432" else word for word in words]
        after = words.index("--")
        program = {"python": PYTEST[:1], "pytest": PYTEST[:3]}[words[after + 1]]
        done = subprocess.run([*words[: after + 1], *program, *words[after + 2 :]], cwd=place, env=env, capture_output=True, text=True)
        checks.equal(done.returncode, 0, f"docs/ci.md: {command}") or say(done.stdout[-800:] + done.stderr[-1500:])


PARTS = [mistakes, parallel, test_code, without_comments, own_failure, deaf, baseline, budgets, reports, terminal, documentation]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    only = options.parse_args().only
    binary()  # ends here where there is none
    checks = Checks("e2e-exec")
    postgres = Postgres()
    for part in PARTS:
        if only in part.__name__:
            say(part.__name__)
            with checks.guard(part.__name__):
                part(checks, postgres)
    return checks.finish()


if __name__ == "__main__":
    sys.exit(main())
