"""Visits the corpus and says which view each finding is about, also where no comment does.

A finding is dated to the last answer of its request, and one process serves one request after another: the view is the
one that began last before that.
"""

import bisect
import random
import time
from datetime import datetime

from harness.console import eventually

# Over request.gap (250 ms) and the idle_close that paced runs set (300 ms).
PAUSE = 0.4
PACED = ("--request-idle-close", "300ms")
# Requests parted by idle time, and seconds to wait for them.
SETTLED, PATIENCE = 3, 150
MARKER = "marker"
# What the app itself does first.
ENTER = "enter"
# Route of the findings about a deployment, which no view has earned.
DEPLOYMENT = "-"


class Watch:
    """Notes which findings came up while which view ran."""

    def __init__(self, scope):
        self.scope = scope
        self.visits = []
        self.found = {}
        self.seen = {}
        self.sent = 0
        # Path to the route that the comments of its queries give.
        self.routes = {}

    def findings(self):
        """The list of the API."""
        return self.scope.api("findings", limit=1000)

    def closed(self):
        """Requests that have ended."""
        return sum(sum(entry["requests"].values()) for entry in self.scope.api("boundaries", limit=1000))

    def note(self, visit, commented=False):
        """A view was visited."""
        self.visits.append(visit)
        self.sent += visit.queries > 0
        if commented:
            self.routes[visit.path] = visit.route

    def astray(self):
        """Findings about commented views that carry another route."""
        return [
            f"{path}: {finding['detector']} on {finding['route']}"
            for path, route in self.routes.items()
            for finding in self.found.get(path, {}).values()
            if finding["route"] not in (route, DEPLOYMENT)
        ]

    def snapshot(self):
        """Give what is new to the view that ran at its time."""
        starts = [visit.start * 1000 for visit in self.visits]
        for finding in self.findings():
            if self.seen.get(key(finding)) != finding["last_seen"]:
                self.seen[key(finding)] = finding["last_seen"]
                moment = datetime.fromisoformat(finding["last_seen"].replace("Z", "+00:00")).timestamp() * 1000
                # The API gives whole milliseconds.
                at = bisect.bisect_right(starts, moment + 0.5) - 1
                if at >= 0:
                    self.found.setdefault(self.visits[at].path, {})[key(finding)] = finding


def key(finding):
    """What makes two entries of the list different ones."""
    return tuple(finding[word] for word in ("detector", "kind", "route", "fingerprint", "parent", "fix"))


def one_by_one(watch, app, views, rounds, comments, markers):
    """Each view a few times; goes on when its requests have ended. On kept connections the next request ends one:
    `markers` of them are sent, at least as many as there are connections. `comments(index)` says whether a view is commented."""
    for index, view in enumerate(views):
        for _ in range(rounds):
            watch.note(app.visit(view.path, comments(index)), comments(index))
        for _ in range(markers):
            watch.note(app.visit(MARKER))
        eventually(lambda: watch.closed() >= watch.sent - markers, f"the requests of {view.path} have ended")
        watch.snapshot()


def settle(watch, app):
    """Until pgscope knows that these connections serve request after request: nothing says so but a minute of pauses."""

    def parted():
        time.sleep(PAUSE)
        watch.note(app.visit(MARKER)._replace(path=ENTER))
        return watch.closed() > SETTLED

    eventually(parted, "idle time parts requests", PATIENCE)
    time.sleep(PAUSE)


def paced(watch, app, views):
    """Each view once, with pauses: nothing but idle time parts requests."""
    for view in views:
        watch.note(app.visit(view.path))
        time.sleep(PAUSE)
        watch.snapshot()


def shuffled(watch, app, views, rounds, seed):
    """All views in a random order, one right behind the other: nothing parts requests."""
    turns = list(views) * rounds
    random.Random(seed).shuffle(turns)
    for view in turns:
        watch.note(app.visit(view.path))


def tasks(watch, django, scope, database, views, settings, comments, pause):
    """All tasks in one process."""
    words = [view.task + ("+" if comments(index) else "") for index, view in enumerate(views)]
    done = django.tasks(scope.address, database, words, task_pause=pause, **settings)
    for visit in done:
        watch.note(visit)
    scope.quiet()
    watch.snapshot()
