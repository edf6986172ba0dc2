"""Routes: `<module>/<view>/` for each view that is registered with `page`, and the admin."""

from importlib import import_module
from pathlib import Path

from django.contrib import admin
from django.urls import path

from core.pages import PAGES, enter, marker, up

VIEWS = Path(__file__).resolve().parents[1] / "views"

for module in sorted(VIEWS.glob("[a-z]*.py")):
    import_module(f"views.{module.stem}")

urlpatterns = [
    path("marker/", marker),
    path("enter/", enter),
    path("up/", up),
    path("admin/", admin.site.urls),
    *(path(f"{name}/", view) for name, view in PAGES.items()),
]
