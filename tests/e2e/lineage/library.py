"""A small library on real Django, and loops over it: run in a process of its own, so that Django is set up once.

Usage: library.py HOST PORT DATABASE DRIVER seed|all|pauses|CASE

A case runs on a connection of its own; `all` runs them one after the other on a single connection, where nothing tells
where one ends and the next begins, and `pauses` lets it look like several requests. DRIVER: psycopg, psycopg-binding or psycopg2.
"""

import random
import sys
import time

import django
from django.conf import settings

HOST, PORT, DATABASE, DRIVER, MODE = sys.argv[1:6]
if DRIVER == "psycopg2":
    # Django prefers psycopg 3 where both are there.
    sys.modules["psycopg"] = None
settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": HOST,
            "PORT": PORT,
            "NAME": DATABASE,
            "USER": "shop",
            "OPTIONS": {"server_side_binding": True} if DRIVER == "psycopg-binding" else {},
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "lib"],
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.contenttypes.models import ContentType
from django.db import connection
from lib.models import Author, Book, Note, Profile, Tag


def seed():
    """40 authors, 60 books, all by chance but always the same."""
    chance = random.Random(3)
    with connection.schema_editor() as editor:
        for model in (ContentType, Author, Tag, Book, Profile, Note):
            editor.create_model(model)
    authors = [Author.objects.create(name=f"A{n}", bio="b") for n in range(40)]
    tags = [Tag.objects.create(name=f"t{n}") for n in range(5)]
    for author in authors:
        Profile.objects.create(author=author, site="s")
    for n in range(60):
        book = Book.objects.create(title=f"B{n}", author=chance.choice(authors))
        book.tags.set(chance.sample(tags, 2))
    kind = ContentType.objects.get_for_model(Author)
    for _ in range(20):
        Note.objects.create(ct=kind, oid=chance.choice(authors).pk)


def cases():
    """(name, what it runs)."""
    chance = random.Random(5)
    picks = {name: chance.sample(range(10, 40), count) for name, count in (("outside", 10), ("authors", 10), ("books", 12))}
    A, B = Author.objects, Book.objects
    yield "forward", lambda: [b.author.name for b in B.all()]
    yield "page", lambda: [b.author.name for b in B.order_by("title")[10:30]]
    yield "reverse", lambda: [list(a.books.all()) for a in A.all()]
    yield "one to one", lambda: [a.profile.site for a in A.filter(name__startswith="A")]
    yield "many to many", lambda: [list(b.tags.all()) for b in B.all()]
    yield "count", lambda: [a.books.count() for a in A.all()]
    yield "exists", lambda: [a.books.exists() for a in A.all()]
    yield "deferred", lambda: [a.bio for a in A.only("name")]
    yield "generic", lambda: [n.obj.name for n in Note.objects.all()]
    yield "chain", lambda: [b.author.profile.site for b in B.filter(author__name__startswith="A")]
    yield "outside", lambda: [A.get(pk=pk) for pk in picks["outside"]]
    yield "same", lambda: [A.get(pk=7) for _ in range(8)]
    yield "by title", lambda: [B.filter(title=f"B{n}").first() for n in range(8)]
    yield "by hand", lambda: [list(B.filter(author_id=a.id, price__gte=0)) for a in A.all()[:15]]
    yield "prefetched", lambda: [b.author.name for b in B.prefetch_related("author", "tags")]
    yield "selected", lambda: [b.author.name for b in B.select_related("author")]
    yield "unrelated authors", lambda: (list(B.all()), [A.get(pk=pk) for pk in picks["authors"]])
    yield "unrelated books", lambda: (list(A.all()), [B.get(pk=pk) for pk in picks["books"]])
    yield "rising books", lambda: (list(A.all()), [B.get(pk=pk) for pk in range(14, 26)])
    yield "iterator", lambda: [b.author.name for b in B.iterator(chunk_size=20)]
    yield "values", lambda: [A.get(pk=pk).name for pk in B.values_list("author_id", flat=True)[:20]]
    yield "nested", lambda: [[list(b.tags.all()) for b in a.books.all()] for a in A.all()[:20]]


if MODE == "seed":
    seed()
elif MODE in ("all", "pauses"):
    for number, (_, run) in enumerate(cases()):
        run()
        if MODE == "pauses" and number < 4:
            time.sleep(0.3)
else:
    for name, run in cases():
        if name == MODE:
            run()
