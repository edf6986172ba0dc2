"""Findings against the truth."""

from dataclasses import dataclass, field

from truth.words import N_PLUS_ONE

from .drive import DEPLOYMENT, ENTER

# A detector that goes by the clock is right where the app itself saw the same, whatever made the machine slow.
CLOCK = {
    "slow_query": lambda visit: visit.slowest >= 0.1,
    "slow_request": lambda visit: visit.wall >= 0.5,
    "idle_in_transaction": lambda visit: visit.wall >= 0.2,
    "long_transaction": lambda visit: visit.wall >= 1.0,
    "random_order": lambda visit: visit.slowest >= 0.02,
    "non_sargable": lambda visit: visit.slowest >= 0.02,
}


@dataclass
class Score:
    """Of one configuration."""

    name: str
    expected: int = 0
    found: int = 0
    # Expected findings of detectors that this pgscope has, and found among them.
    available: int = 0
    findings: int = 0
    correct: int = 0
    loops: int = 0
    right: int = 0
    deployment: int = 0
    misses: list = field(default_factory=list)
    false: list = field(default_factory=list)
    wrong: list = field(default_factory=list)

    @property
    def recall(self):
        """Expected findings that were found."""
        return share(self.found, self.expected)

    @property
    def precision(self):
        """Findings that are expected or tolerated."""
        return share(self.correct, self.findings)

    @property
    def fixes(self):
        """Found N+1s that have the right kind and fix."""
        return share(self.right, self.loops)

    def expect(self, path, mark, candidates, detectors, optional):
        """Whether one of these findings, all of them about `mark`, is there and says what to write."""
        right = [finding for finding in candidates if mark.right(finding)]
        if not candidates and optional:
            return
        self.expected += 1
        self.available += bool(set(mark.detectors) & detectors)
        if not candidates:
            self.misses.append(f"{path}: {mark}")
            return
        self.found += 1
        loops = [finding for finding in candidates if finding["detector"] == N_PLUS_ONE]
        if loops:
            self.loops += 1
            self.right += bool(right)
            if not right:
                says = "; ".join(f"{finding['kind']} {finding['fix']}" for finding in loops)
                self.wrong.append(f"{path}: should be {mark}\n        says {says}")

    def judge(self, path, finding, correct):
        """Count one finding that is about a view."""
        self.findings += 1
        self.correct += correct
        if not correct:
            words = "{detector} {kind} {severity} {boundary}: {fix} [{query:.160}]".format(**finding)
            self.false.append(f"{path}: {words}")

    def as_dict(self):
        """For --json."""
        return {**self.__dict__, "recall": self.recall, "precision": self.precision, "fixes": self.fixes}


def share(part, whole):
    """A ratio, 1 of nothing."""
    return part / whole if whole else 1.0


def by_view(name, views, watch, detectors, bounded):
    """Each finding is known to be about one view. `bounded`: something on the wire shows the limits of requests."""
    score = Score(name)
    measured = {}
    for visit in watch.visits:
        measured.setdefault(visit.path, []).append(visit)
    truths = {view.path: view for view in views}
    for path, found in watch.found.items():
        if path == ENTER:
            continue
        view = truths.get(path)
        for finding in found.values():
            if finding["route"] == DEPLOYMENT:
                score.deployment += 1
                continue
            marks = [*view.expected, *view.tolerated] if view else []
            correct = any(mark.shows(finding) for mark in marks)
            score.judge(path, finding, correct or by_clock(finding, measured[path]))
    for view in views:
        found = [finding for finding in watch.found.get(view.path, {}).values() if finding["route"] != DEPLOYMENT]
        for mark in view.expected:
            score.expect(view.path, mark, [f for f in found if mark.shows(f)], detectors, mark.unit and not bounded)
    return score


def at_all(name, views, watch, detectors, findings):
    """Findings about nobody knows which view: each must be the mistake of some view, in its words and from its parent."""
    score = Score(name)
    marks = [(view.path, mark) for view in views for mark in view.expected]
    tolerated = [mark for view in views for mark in view.tolerated]
    for finding in findings:
        if finding["route"] == DEPLOYMENT:
            score.deployment += 1
            continue
        correct = any(about(mark, finding) for _, mark in marks) or any(mark.shows(finding) for mark in tolerated)
        score.judge("somewhere", finding, correct or by_clock(finding, watch.visits))
    for path, mark in marks:
        mine = [finding for finding in findings if about(mark, finding)]
        # What says the right thing about another view is no wrong word about this one.
        rest = [f for f in mine if not any(about(other, f) and other.right(f) for _, other in marks)]
        score.expect(path, mark, [f for f in mine if mark.right(f)] or rest, detectors, mark.unit)
    return score


def about(mark, finding):
    """Whether the statement and its parent are those of this mistake: in a chain, a link is the parent of the next."""
    return mark.shows(finding) and (
        not mark.parent or not finding["parent"] or finding["parent"] in (mark.parent, *mark.tables)
    )


def by_clock(finding, visits):
    """Whether the app's own clock confirms the finding."""
    confirms = CLOCK.get(finding["detector"])
    return bool(confirms) and any(confirms(visit) for visit in visits)


def table(scores):
    """Lines of a table of all configurations."""
    width = max(len(score.name) for score in scores)
    yield f"{'':{width}}  expected found recall  of-those-there  findings false precision  N+1 right-fix  deployment"
    for s in scores:
        yield (
            f"{s.name:{width}}  {s.expected:8} {s.found:5} {s.recall:6.3f}  {share(s.found, s.available):14.3f}"
            f"  {s.findings:8} {s.findings - s.correct:5} {s.precision:9.3f}  {s.loops:3} {s.fixes:9.3f}  {s.deployment:10}"
        )


def untrue(views, visits):
    """What Django's own log says against the truth: loops that are none, repetition where there should be none."""
    seen = {visit.path: visit.repeats for visit in visits}
    for view in views:
        repeats = seen.get(view.path, [])
        tables = set()
        for mark in view.expected:
            tables.update(mark.tables)
            mine = [(times, times - different) for times, different, table in repeats if not mark.tables or table in mark.tables]
            if N_PLUS_ONE in mark.detectors and not any(times >= 3 for times, _ in mine):
                yield f"{view.path}: no loop over {mark.tables} in {repeats}"
            if mark.detectors == ("duplicate_query",) and not any(same >= 2 for _, same in mine):
                yield f"{view.path}: nothing twice over {mark.tables} in {repeats}"
        if not view.innocent:
            for times, different, name in repeats:
                if times >= 5 and name not in tables:
                    yield f"{view.path}: {times} times {name}, {different} of them different"
