"""Sets zeal's findings of a page beside pgscope's, and says why they differ, from Django's own log of the page's queries."""

import re
from collections import Counter, defaultdict, namedtuple

# Of zeal's findings and of pgscope's each is in one row at least.
Row = namedtuple("Row", "verdict alert finding")

BOTH = "both"
WRONG = "both, relation wrong"
FEW = "zeal: too few"
EQUAL = "zeal: equal values"
MISSED = "zeal: missed"
SUMMARY = "pgscope: exists or count"
OTHER = "pgscope: unwatched by zeal"
FALSE = "pgscope: false"
UNEXPLAINED = "unexplained"

MIN_CALLS = 5
# What only pgscope finds, by page and table of the loop, where its kind is not reason enough.
KNOWN = {}


def compare(page):
    """Rows of a page."""
    findings = [reads(page, finding) for finding in page["findings"] if finding["detector"] == "n_plus_one"]
    rows, met = [], set()
    for alert in page["zeal"]:
        pairs = [finding for finding in findings if agree(alert, finding)]
        met.update(id(finding) for finding in pairs)
        named = [finding for finding in pairs if names(alert, finding)]
        few = sum(longest(page, alert).values()) < MIN_CALLS
        if named or (pairs and not few):
            rows.append(Row(BOTH if named else WRONG, alert, (named or pairs)[0]))
        else:
            rows.append(Row(why_missed(page, alert), alert, None))
    alone = [finding for finding in findings if id(finding) not in met]
    return rows + [Row(why_alone(page, finding), None, finding) for finding in alone]


def first_table(sql):
    """The table after the first FROM."""
    found = re.search(r'\bFROM "(\w+)"', sql)
    return found.group(1) if found else ""


def reads(page, finding):
    """The finding with the table that its query reads: of long statements the finding shows the beginning."""
    start = finding["query"].removesuffix("…").strip()
    whole = next((query["sql"] for query in page["queries"] if as_shown(query["sql"]).startswith(start)), start)
    return {**finding, "table": first_table(whole)}


def as_shown(sql):
    """A statement as pgscope shows it."""
    return re.sub(r"\(\?(, \?)+\)", "(?)", sql.replace("%s", "?"))


def agree(alert, finding):
    """Both are about a loop that reads the same table; zeal sees neither `exists()` nor `count()`."""
    return finding["kind"] not in ("exists", "aggregate") and finding["table"] == alert["tables"][0]


def names(alert, finding):
    """A foreign key goes by its field; other relations by Django's default names, which say no more than the table."""
    ways = [way.split("__") for way in finding["relation"].split(",")]
    return finding["kind"] != "forward_fk" or any(alert["field"] in way for way in ways)


def longest(page, alert):
    """Values and how often each was asked for, of the statement that zeal's call site sends most often."""
    values = defaultdict(Counter)
    for query in page["queries"]:
        if first_table(query["sql"]) == alert["tables"][0] and query["place"] == alert["place"]:
            values[query["sql"]][query["params"]] += 1
    return max(values.values(), key=lambda counts: sum(counts.values()), default=Counter())


def why_missed(page, alert):
    """Why pgscope does not report what zeal does."""
    values = longest(page, alert)
    if sum(values.values()) < MIN_CALLS:
        return FEW
    return EQUAL if len(values) < MIN_CALLS else MISSED


def why_alone(page, finding):
    """Why zeal does not report what pgscope does."""
    if known := KNOWN.get((page["page"], finding["table"]))):
        return known
    return SUMMARY if finding["kind"] in ("exists", "aggregate") else UNEXPLAINED
