"""Real code: well-known Django applications behind pgscope, its N+1 findings beside those of django-zeal in the same run.

Usage: realcode.py [--only WORD] [--keep FOLDER]. The binary is PGSCOPE_BIN or the release build. --keep writes all that was seen, page
by page, as JSON. A difference that `realcode/compare.py` has no reason for fails; `docs/accuracy.md` explains them.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness.console import Checks, eventually, say
from harness.postgres import Postgres
from harness.process import folder
from harness.servers import Pgscope, binary
from harness.venv import environment, venv_for
from realcode.compare import MISSED, UNEXPLAINED, WRONG, compare

REALCODE = Path(__file__).resolve().parent / "realcode"
PROJECTS = ["oscar_project", "wagtail_project"]
VERSIONS = ["django", "django-oscar", "wagtail", "django-zeal", "psycopg"]


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--keep", type=Path)
    options = options.parse_args()
    binary()  # ends here where there is none
    try:
        venv = venv_for(REALCODE / "requirements.txt", sys.executable)
    except (SystemExit, subprocess.CalledProcessError) as error:
        print(f"SKIPPED realcode: the applications cannot be installed here: {error}")
        return 0
    say("versions: " + ", ".join(versions(venv)))
    checks = Checks("e2e-realcode")
    postgres = Postgres()
    for project in PROJECTS:
        if options.only in project:
            with checks.guard(project):
                run(checks, postgres, venv, project, options.keep)
    return checks.finish()


def versions(venv):
    """What is installed, as pip names it."""
    code = "import sys, importlib.metadata as m; print(*(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep='\\n')"
    command = [venv / "bin" / "python", "-c", code, *VERSIONS]
    return subprocess.run(command, env=environment(venv), capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def run(checks, postgres, venv, project, keep):
    """One application: seed, visit, compare."""
    database, media = project, folder()
    postgres.query(f'CREATE DATABASE "{database}"', "postgres")
    say(f"{project}: migrating and seeding")
    application(postgres, venv, project, "seed", postgres.address, media)
    with Pgscope(postgres.address, "--stats-recent-requests", "2000") as scope:
        say(f"{project}: visiting")
        pages = application(postgres, venv, project, "visit", scope.address, media)
        eventually(lambda: counted(scope) == {page["page"]: 1 for page in pages if page["queries"]}, "each page is counted")
        findings = scope.api("findings", limit=1000)
        checks.equal(scope.stop(), 0, f"{project}: pgscope exits with 0")
    for page in pages:
        page["findings"] = [finding for finding in findings if finding["route"] == page["page"]]
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{project}.json").write_text(json.dumps(pages, indent=1))
    report(checks, project, pages)


def application(postgres, venv, project, mode, address, media):
    """Run visit.py; its lines."""
    words = {"HOST": address[0], "PORT": address[1], "NAME": project, "USER": postgres.user, "MEDIA": media}
    words |= {"DIRECT_HOST": postgres.address[0], "DIRECT_PORT": postgres.address[1]}
    env = environment(venv) | {f"REALCODE_{key}": str(value) for key, value in words.items()}
    command = [venv / "bin" / "python", REALCODE / "visit.py", project, mode]
    process = subprocess.Popen(command, cwd=REALCODE, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"visit.py {project} {mode}: {errors[-3000:]}")
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def counted(scope):
    """Requests by page."""
    return {route: int(value) for route, value in scope.metrics().by("requests_total", "route").items()}


def report(checks, project, pages):
    """Each page's findings side by side, then the totals; what has no reason is a failure."""
    totals = Counter()
    for page in pages:
        others = Counter(finding["detector"] for finding in page["findings"] if finding["detector"] != "n_plus_one")
        rows = compare(page)
        print(f"\n{page['page']} {page['path']}: {len(page['queries'])} queries; other detectors: {dict(others) or 'none'}")
        for row in rows:
            totals[row.verdict] += 1
            print(f"  {row.verdict}\n    zeal: {zeal_words(row.alert)}\n    pgscope: {scope_words(row.finding)}")
            what = row.alert["field"] if row.alert else row.finding["relation"] or row.finding["kind"]
            good = row.verdict not in (UNEXPLAINED, MISSED, WRONG)
            checks.that(good, f"{project}, {page['page']}: {what} is explained", scope_words(row.finding))
    print(f"\n{project}: {len(pages)} pages, {sum(len(page['queries']) for page in pages)} queries")
    for verdict, number in totals.most_common():
        print(f"  {number:4} {verdict}")
    sys.stdout.flush()


def zeal_words(alert):
    return "{model}.{field} ×{count} at {place}".format(**alert) if alert else "-"


def scope_words(finding):
    if not finding:
        return "-"
    return "{evidence} {kind} {relation} of {parent} ×{count}, reads {table}: {fix}".format(**finding)


if __name__ == "__main__":
    sys.exit(main())
