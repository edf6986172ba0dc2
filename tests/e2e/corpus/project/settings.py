"""Settings of the corpus, all that varies read from CORPUS_* variables."""

import os
import sys
from pathlib import Path


def word(name, default=""):
    return os.environ.get(f"CORPUS_{name}", default)


def flag(name):
    return word(name) == "1"


if word("DRIVER", "psycopg") == "psycopg2":
    # Django prefers psycopg 3 where it can be imported.
    sys.modules["psycopg"] = None

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
if flag("PGSCOPE_COMMENTS"):
    sys.path.append(str(Path(__file__).resolve().parents[4] / "proxy-config" / "django"))
APPS = ["accounts", "music", "sports_league", "helpdesk", "stock"]
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "rest_framework",
    "core",
    *APPS,
    *(["pgscope_comments"] if flag("PGSCOPE_COMMENTS") else []),
]
# The tables are made from the models: `migrate --run-syncdb`.
MIGRATION_MODULES = dict.fromkeys([*APPS, "admin", "auth", "contenttypes", "sessions"])
AUTH_USER_MODEL = "accounts.Member"
MIDDLEWARE = [
    *(["pgscope_comments.middleware"] if flag("PGSCOPE_COMMENTS") else []),
    "core.middleware.truth",
    "core.middleware.sqlcommenter",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
ROOT_URLCONF = "project.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).resolve().parents[1] / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "static/"
USE_TZ = True
# Seconds between two tasks.
TASK_PAUSE = float(word("TASK_PAUSE", "0"))

OPTIONS = {"application_name": "corpus", "sslmode": "disable"}
if flag("SERVER_SIDE_BINDING"):
    OPTIONS["server_side_binding"] = True
if flag("POOL"):
    OPTIONS["pool"] = {"min_size": 2, "max_size": 4}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": word("DB_HOST", "127.0.0.1"),
        "PORT": word("DB_PORT", "5432"),
        "NAME": word("DB_NAME", "corpus"),
        "USER": word("DB_USER", "shop"),
        "CONN_MAX_AGE": int(word("CONN_MAX_AGE", "0")),
        "CONN_HEALTH_CHECKS": flag("CONN_HEALTH_CHECKS"),
        "OPTIONS": OPTIONS,
    }
}
