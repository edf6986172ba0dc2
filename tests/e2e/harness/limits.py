"""The page before a pgscope of its own: losses, hostile text, many streams, a token, much traffic."""

import http.client

from .browser import Reader
from .console import eventually
from .flood import Flood
from .process import folder
from .servers import Pgscope, get

LIMIT = 200  # rows that a table shows
STATEMENTS = 5000
TOKEN = "a-token-of-this-test"


def words_for_losses(checks, browser, postgres, database):
    """What is incomplete is said in words: requests that are guessed, queries left out, a stream that is gone."""
    with Pgscope(postgres.address) as scope, Reader(browser, scope.url) as reader:
        with Flood(scope.address, postgres.user, database) as flood:
            flood.one_request(300)
            flood.guessed()
            guesses = lambda: [one for one in scope.api("boundaries") if {"gap", "none"} & one["requests"].keys()]
            eventually(guesses, "a pause ends a request")
            flood.guessed()
            page = reader.open("#requests")
            notes = "#notices .notice"
            reader.until(notes, "guessed requests", lambda said: any("guess" in one for one in said))
            reader.until(".requests td.number:nth-child(3)", "the long request is listed", lambda cells: "300" in cells)
            page.get_by_role("link", name="long/", exact=True).click()
            reader.until("#details .notice", "queries that are left out", lambda said: "200 queries" in " ".join(said))
            checks.that(not reader.errors, "no error in the console so far", reader.errors)
            page.keyboard.press("Escape")
        scope.child.stop()
        said = reader.until(notes, "a lost stream", lambda said: any("lost" in one or "refused" in one for one in said))
        checks.that(any("Figures are those of" in one for one in said), "and of when the figures are", said)


def hostile_text(checks, browser, postgres, database):
    """What clients send is text, whatever it says."""
    with Pgscope(postgres.address) as scope, Flood(scope.address, postgres.user, database) as flood, Reader(browser, scope.url) as reader:
        route, column = flood.hostile()
        page = reader.open("#requests")
        reader.until(".requests td.route", "the route as it was sent", lambda rows: route in rows[0])
        page.locator(".requests td.route a").first.click()
        reader.until("#details h2", "the request opens", lambda said: said == [route])
        page.locator("#details summary").first.click()
        checks.that(column in page.inner_text("#details pre"), "the text as it was sent")
        page.keyboard.press("Escape")
        reader.tab("statements")
        reader.until(".statements td.statement", "the statement as it was sent", lambda rows: any(column in row for row in rows))
        page.evaluate("route => { location.hash = `#requests?route=${encodeURIComponent(route)}` }", route)
        reader.until(".requests td.route", "filtered by it")
        checks.equal(page.locator("#view img, #view script, #details img, #details script").count(), 0, "none of it is markup")
        reader.well(checks, "hostile text")


def streams(checks, browser, postgres, _database):
    """A ninth page is told why it has no stream, shows its lists all the same, and gets one as soon as it can."""
    with Pgscope(postgres.address) as scope, Reader(browser, scope.url) as reader:
        answers = [events(scope) for _ in range(8)]
        reader.page.goto(f"{scope.url}/#sessions")
        reader.until("#notices .notice", "why there is no stream", lambda said: "8 event streams are open already" in said[0])
        reader.until(".sessions .empty", "lists are there", lambda said: said == ["No session is open."])
        for answer in answers:
            answer.close()
        reader.page.wait_for_selector("#state.live")
        checks.equal(reader.texts("#notices .notice"), [], "nothing is missing any more")


def events(scope):
    """A stream that somebody else reads."""
    connection = http.client.HTTPConnection(*scope.admin, timeout=60)
    connection.request("GET", "/api/v1/events")
    answer = connection.getresponse()
    answer.read(1)
    return answer


def token(checks, browser, postgres, _database):
    """With a token: nothing without it, everything with it as password."""
    file = folder() / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    with Pgscope(postgres.address, "--admin-token-file", file) as scope:
        for path in ("/", "/page/main.js", "/api/v1/findings", "/api/v1/events"):
            checks.equal(get(scope.admin, path)[0], 401, f"{path} without the token")
        with Reader(browser, scope.url, http_credentials={"username": "me", "password": "wrong"}) as reader:
            checks.equal(reader.page.goto(scope.url).status, 401, "a wrong token")
        with Reader(browser, scope.url, http_credentials={"username": "me", "password": TOKEN}) as reader:
            reader.open()
            reader.until("#summary .tile b", "the page lives with the token as password", lambda said: "–" not in said)
            reader.well(checks, "token")


def busy(checks, browser, postgres, database):
    """5,000 statements and hundreds of requests a second: few rows, a click that answers, words for what is not shown."""
    file = folder() / "pgscope.toml"
    file.write_text(f"[stats]\nstatements = {STATEMENTS + 100}\n")
    with Pgscope(postgres.address, "--config", file) as scope, Flood(scope.address, postgres.user, database) as flood:
        flood.statements(STATEMENTS)
        flood.start()
        with Reader(browser, scope.url) as reader:
            page = reader.open("#requests")
            reader.until(".requests .note", "requests that came too fast", lambda said: "came too fast" in " ".join(said))
            eventually(lambda: page.locator(".requests tbody tr").count() == LIMIT, "the list is full")
            for _ in range(5):
                before = page.locator(".requests tbody a").first.get_attribute("href")
                eventually(lambda: page.locator(".requests tbody a").first.get_attribute("href") != before, "the list goes on")
                checks.equal(page.locator(".requests tbody tr").count(), LIMIT, "rows while requests rush in")
            checks.that("more requests are not shown" in page.inner_text(".requests .foot"), "how many are not shown")
            page.hover(".requests tbody tr:nth-child(3)")
            held = page.locator(".requests tbody tr:nth-child(3) a").get_attribute("href")
            reader.until(".requests .held", "rows wait while the pointer is on them", lambda said: "newer waiting" in said[0])
            checks.equal(page.locator(".requests tbody tr:nth-child(3) a").get_attribute("href"), held, "and do not run away")
            page.click(".requests tbody tr:nth-child(3) td.route")
            reader.until("#details h3", "a click answers")
            page.keyboard.press("Escape")
            reader.tab("statements")
            foot = reader.until(".statements .foot", "how many statements are not shown", lambda said: "more statements are not shown" in said[0])
            left = int(foot[0].split("; ")[1].split(" ")[0].replace(",", ""))
            checks.that(left >= STATEMENTS - LIMIT, "all but those shown", foot)
            checks.equal(page.locator(".statements tbody tr").count(), LIMIT, "rows of 5,000 statements")
            page.fill("#filter-text", flood.name(STATEMENTS - 1))
            reader.until(".statements tbody tr", "one of 5,000 is found", lambda rows: len(rows) == 1)
            checks.that(scope.metrics().total("requests_total") > 1000, "it was busy")
            errors = [error for error in reader.errors if "404" not in error]
            checks.equal(errors, [], "busy: no error in the console")


CASES = [words_for_losses, hostile_text, streams, token, busy]
