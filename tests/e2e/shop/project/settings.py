"""Settings of the shop, all that varies read from SHOP_* variables."""

import os
import sys
from pathlib import Path


def word(name, default=""):
    return os.environ.get(f"SHOP_{name}", default)


def flag(name):
    return word(name) in ("1", "True", "true")


if word("DRIVER", "psycopg") == "psycopg2":
    # Django prefers psycopg 3 where it can be imported.
    sys.modules["psycopg"] = None

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "shop"]
if flag("PGSCOPE_COMMENTS"):
    sys.path.append(str(Path(__file__).resolve().parents[4] / "proxy-config" / "django"))
    INSTALLED_APPS.insert(0, "pgscope_comments")
MIDDLEWARE = [
    *(["pgscope_comments.middleware"] if flag("PGSCOPE_COMMENTS") else []),
    "shop.middleware.truth",
    *(["shop.middleware.sqlcommenter"] if flag("SQLCOMMENTER") else []),
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "project.urls"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True

OPTIONS = {"application_name": "shop", "sslmode": "disable"}
if flag("SERVER_SIDE_BINDING"):
    OPTIONS["server_side_binding"] = True
if flag("POOL"):
    OPTIONS["pool"] = {"min_size": 2, "max_size": 6}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": word("DB_HOST", "127.0.0.1"),
        "PORT": word("DB_PORT", "5432"),
        "NAME": word("DB_NAME", "shop"),
        "USER": word("DB_USER", "shop"),
        "CONN_MAX_AGE": int(word("CONN_MAX_AGE", "0")),
        "CONN_HEALTH_CHECKS": flag("CONN_HEALTH_CHECKS"),
        "ATOMIC_REQUESTS": flag("ATOMIC_REQUESTS"),
        "OPTIONS": OPTIONS,
    }
}
