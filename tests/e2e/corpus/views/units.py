"""What only the whole request shows."""

import time
import uuid

from django.db import connection

from accounts.models import Card, Member, Team
from core.pages import page
from helpdesk.models import Attachment, Category, Note, Reply, Tag, Ticket
from music.models import Album, Artist, Cover, Genre, Label, Playlist, Track
from sports_league.models import Club, Match, Person, Player, Sponsor, Stat
from stock.models import Bin, Document, Movement, Product, Supplier

MODELS = [
    Album, Artist, Attachment, Bin, Card, Category, Club, Cover, Document, Genre, Label, Match,
    Member, Movement, Person, Player, Playlist, Product, Reply, Sponsor, Stat, Supplier, Tag, Team,
]  # fmt: skip


@page
def many_questions(request):
    """24 queries, each of them once."""
    return {model.__name__: model.objects.count() for model in MODELS}


@page
def few_questions(request):
    return {model.__name__: model.objects.count() for model in MODELS[:8]}


@page
def slow_query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.15)")  # here: slow_query
    return "at last"


@page
def waits_for_others(request):
    """Waits for an external service between two queries, no transaction open."""
    albums = Album.objects.count()
    time.sleep(0.6)
    return [albums, Track.objects.count()]


@page
def writes_a_lot(request):
    """72 writes in one request: work for a task."""
    ticket = Ticket.objects.earliest("id")
    notes = [Note.objects.create(ticket=ticket, token=uuid.uuid4().hex) for _ in range(36)]
    for note in notes:
        note.seen = 1
        note.save(update_fields=["seen"])
    Note.objects.filter(pk__in=[note.pk for note in notes]).delete()
    return len(notes)
