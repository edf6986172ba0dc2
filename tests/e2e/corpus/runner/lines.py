"""Whether findings name the line of code, with pgscope_comments.py in the application.

The truth is in the source: a line at which a mistake of a view is made ends in `# here: DETECTOR, …`.
"""

import re

from harness.process import ROOT

from .apps import PROJECT
from .drive import DEPLOYMENT

HERE = re.compile(r"# here: ([a-z_0-9, ]+?)(?: #\})?$")
# Of the findings that accuse a statement.
MARK = 0.95


def judge(checks, views, watch, name):
    """Findings that a reviewer expects: is the line that they name one that is marked for their detector?"""
    right, wrong = 0, []
    for view in views:
        found = [finding for finding in watch.found.get(view.path, {}).values() if finding["route"] != DEPLOYMENT]
        expected = [finding for finding in found if any(mark.shows(finding) for mark in view.expected)]
        for finding in expected:
            if not finding["fingerprint"]:
                continue  # a whole request is no line's
            if finding["detector"] in marked(finding["callsite"]):
                right += 1
            else:
                wrong.append(f"{view.path}: {finding['detector']} at {finding['callsite'] or 'no line'}")
    for line in wrong:
        print(f"    wrong line: {line}", flush=True)
    share = right / max(right + len(wrong), 1)
    checks.that(right + len(wrong) >= 100, f"{name}: enough findings accuse a statement", right + len(wrong))
    checks.that(share >= MARK, f"{name}: the right line is named for at least {MARK:.0%}", f"{right} of {right + len(wrong)}")
    return right, right + len(wrong)


def marked(callsite):
    """The detectors that a line of the corpus is marked for."""
    path, _, number = callsite.rpartition(":")
    file = PROJECT / path
    if not path or not file.resolve().is_relative_to(ROOT) or not file.is_file():
        return []
    lines = file.read_text().splitlines()
    found = HERE.search(lines[int(number) - 1]) if int(number) <= len(lines) else None
    return found[1].split(", ") if found else []
