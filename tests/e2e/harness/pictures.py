"""Pictures of the page: each tab and each drawer, light and dark, wide and on a phone."""

from .browser import PHONE, TABS, Reader
from .console import say
from .traffic import drive, plan


# Of traffic behind a picture; and what a second is in the path of a line, at least.
SECONDS, LETTERS = 12, 8


def take(target, browser, scope, shop):
    """Write them into a folder."""
    target.mkdir(parents=True, exist_ok=True)
    for scheme in ("light", "dark"):
        for name, size in (("", {"width": 1280, "height": 800}), ("-phone", PHONE)):
            with Reader(browser, scope.url, size, color_scheme=scheme) as reader:
                page = reader.open()
                while len(page.get_attribute(".tile .line", "d") or "") < SECONDS * LETTERS:
                    drive(shop.address, plan(1, executemany=True))
                for tab in TABS:
                    reader.tab(tab)
                    page.screenshot(path=target / f"{tab}-{scheme}{name}.png")
                for tab, text in (("requests", "planted/forward/"), ("statements", "shop_author")):
                    reader.entry(tab, text)
                    page.screenshot(path=target / f"{tab.removesuffix('s')}-{scheme}{name}.png")
                    reader.close()
    say(f"screenshots are in {target}")
