"""What both projects share: the database behind pgscope, one connection per request, zeal in the process."""

import os

SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
USE_TZ = True
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = os.environ["REALCODE_MEDIA"]
SITE_ID = 1
ZEAL_RAISE = False  # warns instead
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["REALCODE_HOST"],
        "PORT": os.environ["REALCODE_PORT"],
        "NAME": os.environ["REALCODE_NAME"],
        "USER": os.environ["REALCODE_USER"],
        "CONN_MAX_AGE": 0,
        "OPTIONS": {"sslmode": "disable"},
    }
}


def templates(*processors):
    """TEMPLATES with these context processors besides the usual ones."""
    usual = ["django.template.context_processors.request", "django.contrib.auth.context_processors.auth"]
    usual += ["django.contrib.messages.context_processors.messages"]
    return [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "APP_DIRS": True,
            "OPTIONS": {"context_processors": [*usual, *processors]},
        }
    ]
