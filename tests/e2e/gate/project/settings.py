"""Settings as docs/ci.md has them; what varies is read from GATE_* variables."""

import os
import sys
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "only-for-tests"
INSTALLED_APPS = ["wines"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
if os.environ.get("GATE_COMMENTS"):
    if not (BASE_DIR / "pgscope_comments.py").exists():
        sys.path.append(str(BASE_DIR.parents[2] / "proxy-config" / "django"))
    INSTALLED_APPS.insert(0, "pgscope_comments")
    MIDDLEWARE.insert(0, "pgscope_comments.middleware")
ROOT_URLCONF = "project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ.get("PGHOST", "localhost"),
        "PORT": os.environ.get("PGPORT", "5432"),
        "NAME": "wines",
        "USER": os.environ.get("PGUSER", "wines"),
    }
}
if os.environ.get("GATE_DEAF"):
    # A project that does not look at PGHOST.
    host, port = os.environ["GATE_DEAF"].split(":")
    DATABASES["default"].update(HOST=host, PORT=port)
