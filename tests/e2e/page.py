"""The page of the admin address in a real browser: Debian's Chromium before pgscope, the shop and a real PostgreSQL.

Usage: page.py [--only WORD] [--screenshots DIR]. The binary is PGSCOPE_BIN or the release build.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from harness.venv import run_in_venv

run_in_venv(Path(__file__).resolve().parent / "requirements-page.txt")

from harness import limits, pictures, strangers
from harness.browser import PHONE, TABS, WIDE, Reader, chromium
from harness.console import Checks, eventually, say
from harness.debian import installed
from harness.postgres import Postgres
from harness.servers import Gunicorn, Pgscope, binary, get, seeded
from harness.traffic import Shopper, drive, plan

PLANTED = "planted/forward/"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--only", default="")
    options.add_argument("--screenshots", type=Path)
    options = options.parse_args()
    checks = Checks("e2e-page")
    program = installed("chromium", "chromium")
    if not program:
        say("skipped: the page in a browser, for want of Chromium")
        return 0
    binary()  # ends here where there is none
    postgres = Postgres()
    database = seeded(postgres)
    with chromium(program) as browser:
        with Pgscope(postgres.address) as scope, Gunicorn(scope.address, database, conn_max_age=600, pgscope_comments=1) as shop:
            say("visiting the shop")
            drive(shop.address, plan(3, executemany=True))
            eventually(lambda: PLANTED in [finding["route"] for finding in scope.api("findings")], "the planted N+1 is found")
            run(options.only, checks, CASES, browser, scope, shop)
            if options.screenshots:
                with checks.guard("screenshots"):
                    pictures.take(options.screenshots, browser, scope, shop)
        run(options.only, checks, limits.CASES, browser, postgres, database)
    return checks.finish()


def run(only, checks, cases, *arguments):
    """Those that are asked for."""
    for case in cases:
        if only in case.__name__:
            with checks.guard(case.__name__):
                say(case.__name__)
                case(checks, *arguments)


def findings(checks, browser, scope, shop):
    """Which page, which line, which fix, at the top; the fix goes to the clipboard."""
    with Reader(browser, scope.url) as reader:
        page = reader.open()
        page.wait_for_selector(".finding")
        top = page.locator(".finding").first.inner_text()
        # Which of the planted ones wastes most is up to the machine.
        checks.that("critical" in top and "N+1 queries" in top and "planted/" in top, "a planted N+1 is at the top", top)
        card = page.locator(".finding", has_text=PLANTED).first
        shown = card.inner_text()
        for word in ("critical", "N+1 queries", PLANTED, "shop/planted.py:", 'select_related("author")', "proven", "wasted", "requests"):
            checks.that(word in shown, f"the first card says {word}", shown)
        checks.that(not card.locator("pre").is_visible(), "the query is folded")
        card.locator("summary").click()
        checks.that("shop_author" in card.locator("pre").inner_text(), "the query unfolds")
        card.locator(".copy").click()
        eventually(lambda: "Copied" in card.locator(".copy").inner_text(), "the button confirms")
        copied = page.evaluate("navigator.clipboard.readText()")
        checks.equal(copied, 'select_related("author")', "the fix in the clipboard")
        before = card.locator(".facts span").first.inner_text()
        Shopper(shop.address).get(f"/{PLANTED}")
        eventually(lambda: card.locator(".facts span").first.inner_text() != before, "the count goes on by itself")
        eventually(lambda: card.locator(".sparkline .line").get_attribute("d"), "the trend is drawn")
        checks.that(card.locator("pre").is_visible(), "the query stays unfolded as figures change")
        order = [severity for severity in reader.texts(".finding .pill")]
        checks.equal(order, sorted(order, key=["critical", "warning", "info"].index), "the worst severity first")
        card.get_by_text("Requests of this page").click()
        rows = reader.until(".requests td.route a", "the requests of the page are listed")
        checks.equal(set(rows), {PLANTED}, "only those of the page")
        page.go_back()
        page.locator(".finding", has_text=PLANTED).first.get_by_text("Statement").click()
        reader.until("#details .histogram tr", "the statement opens")
        reader.well(checks, "findings")


# Faster than the browser tells that the place has changed.
CLOSE_AND_CLEAR = """() => {
    document.querySelector("#details button[aria-label=Close]").click();
    const route = document.querySelector("#filter-route");
    route.value = "";
    route.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def requests(checks, browser, scope, shop):
    """The list lives; one opens as a waterfall with repeats folded, its time split, its findings and its transactions."""
    with Reader(browser, scope.url) as reader:
        page = reader.open("#requests")
        page.wait_for_selector(".requests tbody tr")
        newest = max(request["id"] for request in scope.api("requests"))
        Shopper(shop.address).get("/order/7/")
        reader.until('.requests td.route a[href^="#requests/"]', "a new request is listed by itself", lambda rows: "order/<int:number>/" in rows[0])
        checks.that(max(request["id"] for request in scope.api("requests")) > newest, "it has a new id")
        page.fill("#filter-route", PLANTED)
        reader.until(".requests td.route a", "filtered by route", lambda rows: set(rows) == {PLANTED})
        page.locator(".requests td.route").first.click()
        lines = reader.until("#details .line .label", "the waterfall is drawn")
        checks.that(any("shop_author" in line and "×24" in line for line in lines), "24 queries of one statement are one row", lines)
        said = page.inner_text("#details")
        for word in ("N+1 queries", 'select_related("author")', "Database", "App", "shop/planted.py:"):
            checks.that(word in said, f"the request says {word}", said)
        wide = page.locator("#details .mark.folded").first.bounding_box()["width"]
        single = page.locator("#details .mark:not(.folded)").first.bounding_box()["width"]
        checks.that(wide > single, "the loop is longer than a query", (wide, single))
        page.keyboard.press("Escape")
        page.fill("#filter-route", "order/<int:number>/")
        reader.until(".requests td.route a", "filtered by another route", lambda rows: set(rows) == {"order/<int:number>/"})
        page.locator(".requests td.route a").first.click()
        lines = reader.until("#details .line .label", "the other request opens")
        checks.that("transaction" in " ".join(lines), "its transaction is drawn", lines)
        page.evaluate(CLOSE_AND_CLEAR)
        checks.equal(page.evaluate("location.hash"), "#requests", "who types on while the drawer closes stays out of it")
        page.click("[data-order=queries]")
        counts = reader.until(".requests td.number:nth-child(3)", "the worst by queries", lambda cells: len(cells) > 5)
        counts = [int(cell.replace(",", "")) for cell in counts]
        checks.equal(counts, sorted(counts, reverse=True), "most queries first")
        reader.well(checks, "requests")


def statements(checks, browser, scope, _shop):
    """Sorted by a click on a column; one opens with a histogram that adds up to its calls."""
    with Reader(browser, scope.url) as reader:
        page = reader.open("#statements")
        page.wait_for_selector(".statements tbody tr")
        page.get_by_role("button", name="Calls").click()
        most = max(one["calls"] for one in scope.api("statements"))
        reader.until(".statements tbody tr:first-child td:nth-child(2)", "sorted by calls", lambda cells: cells == [f"{most:,}"])
        checks.equal(page.get_attribute(".statements th:nth-child(2)", "aria-sort"), "descending", "the column says so")
        page.fill("#filter-text", "shop_author")
        reader.until(".statements .statement b", "filtered by text", lambda rows: len(rows) < 20)
        page.select_option("#filter-detector", "n_plus_one")
        reader.until(".statements td.statement", "filtered by detector", lambda rows: all("N+1" in row for row in rows))
        page.get_by_text("SELECT shop_author").first.click()
        counts = reader.until("#details .histogram td:nth-child(3)", "the histogram is drawn")
        fingerprint = page.url.split("statements/")[1].split("?")[0]
        calls = next(one["calls"] for one in scope.api("statements") if one["fingerprint"] == fingerprint)
        checks.equal(sum(int(count.replace(",", "")) for count in counts), calls, "the histogram has each call once")
        said = page.inner_text("#details")
        checks.that(PLANTED in said and 'select_related("author")' in said, "who names it", said)
        page.locator("#details .raised a").first.click()
        page.wait_for_selector(".finding details[open]")
        checks.that(PLANTED in page.locator(".finding:has(details[open])").inner_text(), "leads to the finding")
        reader.well(checks, "statements")


def sessions_and_health(checks, browser, scope, _shop):
    """The rest of the tabs says what the API says."""
    with Reader(browser, scope.url) as reader:
        page = reader.open()
        reader.tab("sessions")
        open_now = len(scope.api("sessions"))
        reader.until(".sessions tbody tr", "each session is a row", lambda rows: len(rows) == open_now)
        reader.tab("health")
        said = page.inner_text("#view")
        words = ["trace", "exact", "requests by", "Statements", "of 1,000", "answers", "Profiling", "/metrics", "none"]
        for word in words:
            checks.that(word.lower() in said.lower(), f"health says {word}", said)
        for link in page.locator(".addresses a").all():
            checks.equal(get(scope.admin, link.get_attribute("href"))[0], 200, f"{link.inner_text()} is there")
        reader.well(checks, "sessions and health")


def links(checks, browser, scope, _shop):
    """A link leads to tab, entry and filters again, after a reload too; Back goes back."""
    with Reader(browser, scope.url) as reader:
        page = reader.open()
        reader.tab("requests")
        page.fill("#filter-route", PLANTED)
        reader.until(".requests td.route a", "filtered", lambda rows: set(rows) == {PLANTED})
        page.locator(".requests td.route a").first.click()
        title = reader.until("#details .line .label", "the request opens")
        page.reload()
        again = reader.until("#details .line .label", "it is open after a reload")
        checks.equal(again, title, "the same request")
        checks.equal(page.input_value("#filter-route"), PLANTED, "the filter is there after a reload")
        page.go_back()
        page.wait_for_selector("#details", state="hidden")
        checks.equal(set(reader.until(".requests td.route a", "the list is back")), {PLANTED}, "Back keeps the filter")
        page.go_back()
        page.wait_for_selector(".finding")
        checks.equal(page.get_attribute("#tab-findings", "aria-selected"), "true", "Back to the tab before")
        page = reader.open("#requests/999999999")
        reader.until("#details .notice", "a request that is gone is said to be", lambda said: "no longer kept" in said[0])
        # The browser itself notes a 404.
        checks.equal([error for error in reader.errors if "404" not in error], [], "links: no error in the console")


def pause(checks, browser, scope, shop):
    """Paused, nothing changes and the page says so; resumed, all is there."""
    with Reader(browser, scope.url) as reader:
        page = reader.open("#requests")
        page.wait_for_selector(".requests tbody tr")
        page.click("#pause")
        reader.until("#notices .notice", "the page says that it is paused", lambda said: any("Paused" in one for one in said))
        before = reader.texts(".requests tbody tr")
        queries = page.inner_text("#summary")
        counted = scope.metrics().total("requests_total")
        Shopper(shop.address).get(f"/{PLANTED}")
        eventually(lambda: scope.metrics().total("requests_total") > counted, "pgscope counts on")
        reader.tab("statements")
        reader.tab("requests")
        checks.equal(reader.texts(".requests tbody tr"), before, "no row changes")
        checks.equal(page.inner_text("#summary"), queries, "no figure changes")
        page.click("#pause")
        newest = str(max(one["id"] for one in scope.api("requests")))
        page.wait_for_selector(f'.requests a[href^="#requests/{newest}"]')
        checks.equal(page.inner_text("#pause"), "Pause", "live again")
        reader.well(checks, "pause")


def keyboard(checks, browser, scope, _shop):
    """All of it without a mouse, and the focus can be seen and is not lost."""
    with Reader(browser, scope.url) as reader:
        page = reader.open()
        page.wait_for_selector(".finding")
        keys = page.keyboard
        keys.press("/")
        checks.equal(reader.focused(), "filter-text", "/ goes to the filter")
        keys.type("planted")
        keys.press("Escape")
        keys.press("Escape")
        checks.equal(reader.focused() == "filter-text", False, "Escape leaves the empty filter")
        keys.press("2")
        page.wait_for_selector(".requests tbody tr")
        page.focus("#tab-requests")
        keys.press("ArrowRight")
        page.wait_for_selector(".statements tbody tr")
        checks.equal(reader.focused(), "Statements", "arrows go from tab to tab")
        keys.press("ArrowDown")
        keys.press("ArrowDown")
        row = reader.focused()
        checks.that("SELECT" in row or "UPDATE" in row or "INSERT" in row, "arrows go into the list", row)
        seen = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        checks.that(seen != "none", "the focus can be seen", seen)
        keys.press("Enter")
        page.wait_for_selector("#details[open] .histogram")
        keys.press("Escape")
        page.wait_for_selector("#details", state="hidden")
        checks.equal(reader.focused(), row, "Escape closes, the focus is where it was")
        keys.press("1")
        page.wait_for_selector(".finding")
        page.locator(".finding h2 a").first.focus()
        keys.press("Enter")
        # The browser tells of the new place some time after the key.
        reader.until(".finding:has(h2 a:focus) pre", "Enter unfolds the finding that has the focus")
        reader.well(checks, "keyboard")


def accessible(checks, browser, scope, _shop):
    """axe finds nothing on any tab and in any drawer, in dark and light, wide and narrow; nothing is wider than a phone."""
    for scheme in ("light", "dark"):
        for name, size in (("wide", WIDE), ("phone", PHONE)):
            with Reader(browser, scope.url, size, color_scheme=scheme) as reader:
                page = reader.open()
                page.wait_for_selector(".finding")
                for tab in TABS:
                    reader.tab(tab)
                    judged(checks, reader, f"{tab}, {scheme}, {name}")
                for tab, text in (("requests", "planted"), ("statements", "shop_author")):
                    reader.entry(tab, text)
                    for fold in page.locator("#details summary").all()[:3]:
                        fold.click()
                    judged(checks, reader, f"an entry of {tab}, {scheme}, {name}")
                    reader.close()
                reader.well(checks, f"{scheme}, {name}")
    with Reader(browser, scope.url, color_scheme="light") as reader:
        page = reader.open()
        background = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(background)
        page.click("#theme")
        page.click("#theme")
        dark = page.evaluate(background)
        checks.that(light != dark, "the button changes the colours", (light, dark))
        page.reload()
        checks.equal(page.evaluate(background), dark, "the choice stays")


def judged(checks, reader, what):
    """Nobody is kept out of what is on the screen."""
    checks.equal(reader.violations(), [], f"axe: {what}")
    checks.equal(reader.overflow(), 0, f"no sideways scrolling: {what}")


def other_origins(checks, browser, scope, _shop):
    """A page of another origin can neither read nor drive anything, and a name that leads here is no way in."""
    strangers.check(checks, browser, scope)


CASES = [findings, requests, statements, sessions_and_health, links, pause, keyboard, accessible, other_origins]

if __name__ == "__main__":
    sys.exit(main())
