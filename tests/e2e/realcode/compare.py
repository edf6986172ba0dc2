"""Sets zeal's findings of a page beside pgscope's, and says why they differ, from Django's own log of the page's queries."""

import re
from collections import Counter, defaultdict, namedtuple

# Of zeal's findings and of pgscope's each is in one row at least.
Row = namedtuple("Row", "verdict alert finding")

BOTH = "both"
UNNAMED = "both, pgscope names no relation"
WRONG = "both, relation wrong"
FEW = "zeal: fewer than five queries"
EQUAL = "zeal: the same values again, which duplicate_query reports"
MISSED = "zeal: missed"
SUMMARY = "pgscope: exists() or count(), which zeal does not watch"
UNEXPLAINED = "unexplained"

MIN_CALLS = 5
# Loops that only pgscope sees, by page and table, where the projection is not reason enough. Each was looked up in Django's log.
TAGGIT = "pgscope: taggit's manager, which zeal does not watch"
CLUSTER = "pgscope: modelcluster's manager, which zeal does not watch"
SINGLE = "pgscope: the row came from first() or get(), which zeal leaves out"
CUSTOM = "pgscope: a queryset built by hand, which zeal does not watch"
KNOWN = {
    ("api-images", "taggit_tag"): TAGGIT,
    ("api-documents", "taggit_tag"): TAGGIT,
    ("site-index", "wagtail_project_blogpagegalleryimage"): CLUSTER,
    ("site-index", "wagtailimages_image"): SINGLE,
    ("shop-offers", "offer_range"): SINGLE,
    ("shop-wishlist", "catalogue_productimage"): SINGLE,
    ("shop-wishlist", "partner_stockrecord"): SINGLE,
    ("dashboard-product", "catalogue_product"): CUSTOM,
    ("admin-home", "wagtailcore_task"): CUSTOM,
    ("admin-report-workflow", "wagtailcore_task"): CUSTOM,
}
# Loops that only zeal sees and that pgscope is known to miss.
LIMIT = "zeal: WHERE with OR, which pgscope does not follow"
LIMITS = {("admin-catalogue-product", "catalogue_productattributevalue"): LIMIT}


def compare(page):
    """Rows of a page."""
    findings = [reads(page, finding) for finding in page["findings"] if finding["detector"] == "n_plus_one"]
    rows, met = [], set()
    for alert in page["zeal"]:
        pairs = [finding for finding in findings if agree(alert, finding)]
        met.update(id(finding) for finding in pairs)
        named = [finding for finding in pairs if names(alert, finding)]
        few = alert["count"] < MIN_CALLS
        if named or (pairs and not few):
            finding = (named or pairs)[0]
            right = named and all_named(page, finding)
            verdict = UNNAMED if not finding["relation"] else BOTH if right else WRONG
            rows.append(Row(verdict, alert, finding))
        else:
            rows.append(Row(why_missed(page, alert), alert, None))
    alone = [finding for finding in findings if id(finding) not in met]
    return rows + [Row(why_alone(page, finding), None, finding) for finding in alone]


def first_table(sql):
    """The table after the first FROM, subqueries left out."""
    while sql != (plain := re.sub(r"\([^()]*\)", "", sql)):
        sql = plain
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
    return not summarizes(finding) and finding["table"] == alert["tables"][0]


def names(alert, finding):
    """A foreign key goes by its field; other relations by Django's default names, which say no more than the table."""
    return finding["kind"] != "forward_fk" or any(alert["field"] in way for way in ways(finding))


def all_named(page, finding):
    """Where a finding names several foreign keys, zeal names each of them."""
    fields = {alert["field"] for alert in page["zeal"] if agree(alert, finding)}
    return len(ways(finding)) == 1 or all(fields & set(way) for way in ways(finding))


def ways(finding):
    """`condition__range,benefit__range` in its parts."""
    return [way.split("__") for way in finding["relation"].split(",")]


def longest(page, alert):
    """Values and how often each was asked for, of the statement that zeal's call site sends most often."""
    values = defaultdict(Counter)
    for query in page["queries"]:
        if first_table(query["sql"]) == alert["tables"][0] and query["place"] == alert["place"]:
            values[query["sql"]][query["params"]] += 1
    return max(values.values(), key=lambda counts: sum(counts.values()), default=Counter())


def why_missed(page, alert):
    """Why pgscope does not report what zeal does."""
    if alert["count"] < MIN_CALLS:
        return FEW
    table = alert["tables"][0]
    duplicates = [reads(page, finding)["table"] for finding in page["findings"] if finding["detector"] == "duplicate_query"]
    values = longest(page, alert)
    if table in duplicates and len(values) * 2 <= sum(values.values()):
        return EQUAL
    return LIMITS.get((page["page"], table), MISSED)


def why_alone(page, finding):
    """Why zeal does not report what pgscope does."""
    if known := KNOWN.get((page["page"], finding["table"])):
        return known
    return SUMMARY if summarizes(finding) else UNEXPLAINED


def summarizes(finding):
    """`exists()` or `count()`, whatever follows from it."""
    return bool(re.match(r'SELECT (DISTINCT )?(\? AS "a"|(COUNT|SUM|MAX|MIN|AVG)\()', finding["query"]))
