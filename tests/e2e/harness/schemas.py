"""Schemas of report formats, out of packages that carry them, kept below target/."""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from .console import say
from .process import target

# The JSON Schema of SARIF 2.1.0 as OASIS has it, and what Jenkins reads as JUnit XML.
SARIF = "@microsoft/jest-sarif@1.0.0-beta.0", "package/lib/schemas/sarif-2.1.0-rtm.5.json"
JUNIT = "pytest==8.4.2", "testing/example_scripts/junit-10.xsd"


def sarif():
    """The schema as a dict; None, and why, where it cannot be had."""
    text, why = _member("sarif.json", *SARIF, ["npm", "pack", "--silent"])
    return (json.loads(text) if text else None), why


def junit():
    """The text of the XSD; None, and why, where it cannot be had."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    return _member("junit.xsd", *JUNIT, pip)


def _member(name, package, member, fetch):
    kept = target() / "e2e-schemas" / name
    if kept.exists():
        return kept.read_text(), ""
    if not shutil.which(fetch[0]):
        return None, f"{fetch[0]} is not here to fetch {package}"
    say(f"fetching {package} (once) for its {Path(member).name}")
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*fetch, package], cwd=folder, capture_output=True, text=True)
        archive = next((path for path in Path(folder).iterdir() if path.name.endswith(("gz", "tgz"))), None)
        if done.returncode or not archive:
            return None, f"{package} cannot be fetched: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"
        with tarfile.open(archive) as files:
            found = next(entry for entry in files.getmembers() if entry.name.endswith(member))
            text = files.extractfile(found).read().decode()
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(text)
    return text, ""
