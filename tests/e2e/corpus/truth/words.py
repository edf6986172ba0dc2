"""The words in which the truth is written."""

import re
from dataclasses import dataclass

N_PLUS_ONE = "n_plus_one"


@dataclass(frozen=True)
class Expect:
    """A finding that a reviewer would write down.

    One finding is enough where `tables` or `detectors` name several: the links of a chain, the targets of a generic key.
    `fix` is searched for in the finding's fix. `unit`: can only be known where the limits of the request are, so that it
    is not asked for where nothing on the wire shows them.
    """

    detectors: tuple
    kinds: tuple = ()
    tables: tuple = ()
    fix: str = ""
    parent: str = ""
    unit: bool = False

    def shows(self, finding):
        """Whether a finding of the API is about this mistake."""
        return finding["detector"] in self.detectors and (
            not self.tables or any(reads(finding, table) for table in self.tables)
        )

    def right(self, finding):
        """Whether it also says what to write, of the right kind."""
        return finding["detector"] != N_PLUS_ONE or (
            (not self.kinds or finding["kind"] in self.kinds) and bool(re.search(self.fix, finding["fix"]))
        )

    def __str__(self):
        return " ".join(["|".join(part) for part in (self.detectors, self.kinds, self.tables) if part] + [self.fix])


@dataclass(frozen=True)
class Tolerate:
    """A finding that is also true but secondary, or a matter of taste: neither asked for nor held against anybody."""

    detector: str
    why: str
    kinds: tuple = ()
    tables: tuple = ()

    def shows(self, finding):
        """Whether a finding of the API is this one."""
        return (
            finding["detector"] == self.detector
            and (not self.kinds or finding["kind"] in self.kinds)
            and (not self.tables or any(reads(finding, table) for table in self.tables))
        )


@dataclass(frozen=True)
class View:
    """A view, or a task where `path` begins with `task/`. `innocent`: repeats queries, and may."""

    path: str
    expected: tuple = ()
    tolerated: tuple = ()
    innocent: bool = False

    @property
    def task(self):
        """The name of the task, or an empty text."""
        return self.path.removeprefix("task/") if self.path.startswith("task/") else ""


def reads(finding, table):
    """Whether the statement of a finding is about this table: named first after FROM, INTO or UPDATE."""
    found = re.search(r'\b(?:FROM|INTO|UPDATE) "?(\w+)', finding["query"])
    return bool(found) and found.group(1) == table


def bad(path, *marks, innocent=False):
    """A view with mistakes (`Expect`) and what is tolerated beside them (`Tolerate`)."""
    return View(
        path,
        tuple(mark for mark in marks if isinstance(mark, Expect)),
        tuple(mark for mark in marks if isinstance(mark, Tolerate)),
        innocent,
    )


def good(path, *tolerated, innocent=False):
    """A view that nobody may accuse."""
    return View(path, (), tolerated, innocent)


def loop(kinds, tables, fix, parent=""):
    """An N+1. Several kinds or tables are parted by blanks."""
    return Expect((N_PLUS_ONE,), tuple(kinds.split()), tuple(tables.split()), fix, parent)


def select(*names):
    """select_related() of all these names, in this order."""
    return r"select_related\([^)]*" + "[^)]*".join(f'"{name}"' for name in names)


def prefetch(names):
    """prefetch_related() of one of these names, parted by `|`; perhaps in a Prefetch."""
    return rf'prefetch_related\((Prefetch\()?"({names})'


def forward(table, parent, *names):
    """N+1 along a foreign key."""
    return loop("forward_fk", table, select(*names), parent)


def reverse(table, parent, names):
    """N+1 against a foreign key. Names: the accessor, and Django's default for it where that is another."""
    return loop("reverse_fk", table, prefetch(names), parent)


def many(tables, parent, names):
    """N+1 across many-to-many."""
    return loop("many_to_many", tables, prefetch(names), parent)


def aggregate(tables, parent, function="Count"):
    """An aggregate for each row."""
    return loop("aggregate", tables, rf"annotate\(.*{function}\(", parent)


def other(detector, tables="", unit=False):
    """A finding of another detector."""
    return Expect((detector,), (), tuple(tables.split()), unit=unit)


MANY_QUERIES = Tolerate("request_query_count", "the loops are why there are so many queries")
DEEP = Tolerate("serializer_depth", "the chain is that deep")
