"""Debian's Chromium, and pages in it that tell what went wrong within them."""

import os
from contextlib import contextmanager
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from .console import eventually

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 360, "height": 740}
# A name of another origin that leads here, as the name server of an attacker would have it.
OTHER = "other.example"
TABS = ["findings", "requests", "statements", "sessions", "health"]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@contextmanager
def chromium(program):
    """A browser that knows OTHER."""
    arguments = [f"--host-resolver-rules=MAP {OTHER} 127.0.0.1"]
    # Its sandbox wants a user other than root.
    arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Reader:
    """Somebody who has the page open."""

    def __init__(self, browser, url, size=WIDE, **options):
        self.url = url
        self.context = browser.new_context(viewport=size, **options)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        self.page = self.context.new_page()
        self.page.set_default_timeout(float(os.environ.get("PATIENCE", 30)) * 1000)
        self.errors = []
        self.origins = set()
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.origins.add("{0.scheme}://{0.netloc}".format(urlsplit(request.url))))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.context.close()

    def open(self, place=""):
        """Load the page anew at a place of it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{place}")
        self.page.wait_for_selector("#state.live")
        return self.page

    def until(self, selector, what, holds=bool):
        """Wait until the selector finds something and its texts make `holds` true; the texts."""
        return eventually(lambda: (texts := self.texts(selector)) and holds(texts) and texts, what)

    def texts(self, selector):
        """The texts of what is visible of it."""
        return [node.inner_text() for node in self.page.locator(selector).all() if node.is_visible()]

    def tab(self, name):
        """Choose a tab and wait for what it lists."""
        self.page.click(f"#tab-{name}")
        self.page.wait_for_selector({"findings": ".finding", "health": ".boundaries li"}.get(name, f".{name} tbody tr"))

    def entry(self, tab, text):
        """Open the first entry of a tab that has this text."""
        self.page.evaluate("place => { location.hash = place }", f"#{tab}?text={text}")
        self.page.locator(f".{tab} a[data-rove]:visible", has_text=text).first.click()
        self.until("#details :is(.line, .histogram)", f"an entry of {tab} opens")

    def close(self):
        """Close it."""
        self.page.keyboard.press("Escape")
        self.page.wait_for_selector("#details", state="hidden")

    def focused(self):
        """The text of what has the focus."""
        return self.page.evaluate("document.activeElement.innerText || document.activeElement.id")

    def well(self, checks, what):
        """Nothing in the console, nothing from elsewhere."""
        checks.equal(self.errors, [], f"{what}: no error in the console")
        checks.equal(self.origins - {self.url, "about://"}, set(), f"{what}: asks nobody else")

    def violations(self):
        """What axe finds, in words."""
        found = Axe().run(self.page, options={"runOnly": {"type": "tag", "values": RULES}}).response["violations"]
        return [f"{one['id']}: {node['target']} {node['failureSummary']}" for one in found for node in one["nodes"]]

    def overflow(self):
        """Pixels by which the page is wider than its window."""
        return self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
