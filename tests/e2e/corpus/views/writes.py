"""Writes in loops, and done at once. Each leaves as many rows as it found, so that it can run again."""

import uuid

from django.db import IntegrityError, transaction
from django.db.models import F

from core.pages import page
from helpdesk.models import Draft, Note, Tag, Ticket
from sports_league.models import Club, Player
from stock.models import Job, Movement, Product


def token():
    return uuid.uuid4().hex


def notes(count, prefix):
    """Rows to work on, made at once."""
    ticket = Ticket.objects.earliest("id")
    return Note.objects.bulk_create([Note(ticket=ticket, token=f"{prefix}{token()}") for _ in range(count)])


@page
@transaction.atomic
def insert_each(request):
    ticket = Ticket.objects.earliest("id")
    made = [Note.objects.create(ticket=ticket, token=token(), text=f"row {n}").pk for n in range(8)]  # here: insert_loop
    Note.objects.filter(pk__in=made).delete()
    return len(made)


@page
def insert_each_autocommit(request):
    """And a transaction for each."""
    ticket = Ticket.objects.earliest("id")
    made = []
    for n in range(9):
        note = Note(ticket=ticket, token=token(), text=f"line {n}")
        note.save()  # here: insert_loop
        made.append(note.pk)
    Note.objects.filter(pk__in=made).delete()
    return len(made)


@page
@transaction.atomic
def insert_at_once(request):
    made = [note.pk for note in notes(9, "bulk-")]
    return Note.objects.filter(pk__in=made).delete()[0]


@page
@transaction.atomic
def insert_inherited(request):
    """A model that inherits needs two INSERTs, and knows no bulk_create()."""
    club = Club.objects.get(pk=1)
    player = Player.objects.create(name="New", born="2000-01-01", club=club, number=99)
    player.delete()
    return club.name


@page
def update_each(request):
    for job in Job.objects.order_by("id")[:10]:
        job.name = f"Job {job.pk} {token()[:6]}"
        job.save(update_fields=["name"])  # here: update_loop
    return "done"


@page
def update_each_by_filter(request):
    """The same value for each: one update() would do."""
    for key in (3, 9, 12, 15, 21, 24, 27):
        Job.objects.filter(pk=key).update(done=False)  # here: update_loop
    return "done"


@page
def update_at_once(request):
    return Job.objects.filter(pk__in=(3, 9, 12, 15, 21, 24, 27)).update(done=False)


@page
def update_in_bulk(request):
    jobs = list(Job.objects.order_by("id")[:10])
    for job in jobs:
        job.name = f"Job {job.pk} {token()[:6]}"
    return Job.objects.bulk_update(jobs, ["name"])


@page
def update_by_expression(request):
    return Movement.objects.filter(quantity__lt=10).update(quantity=F("quantity"))


@page
def delete_each(request):
    made = notes(8, "each-")
    for note in made:
        note.delete()  # here: delete_loop
    return len(made)


@page
def delete_at_once(request):
    made = notes(8, "once-")
    return Note.objects.filter(pk__in=[note.pk for note in made]).delete()[0]


@page
def delete_with_relations(request):
    """One object: Django itself deletes what hangs on it."""
    draft = Draft.objects.create(name=token())
    draft.tags.add(1, 2, 3)
    return draft.delete()[0]


@page
def save_everything(request):
    """One field changed, all thirteen written."""
    ticket = Ticket.objects.get(number="T-1014")
    ticket.priority = 3
    ticket.save()  # here: save_all_columns
    return ticket.pk


@page
def save_one_field(request):
    ticket = Ticket.objects.get(number="T-1021")
    ticket.priority = 3
    ticket.save(update_fields=["priority"])
    return ticket.pk


@page
def get_or_create_each(request):
    ticket = Ticket.objects.earliest("id")
    words = [token() for _ in range(7)]
    made = [Note.objects.get_or_create(token=word, defaults={"ticket": ticket})[0].pk for word in words]  # here: get_or_create_loop
    Note.objects.filter(pk__in=made).delete()
    return len(made)


@page
def insert_ignoring_conflicts(request):
    ticket = Ticket.objects.earliest("id")
    made = [Note(ticket=ticket, token=token()) for _ in range(7)]
    Note.objects.bulk_create(made, ignore_conflicts=True)
    return Note.objects.filter(token__in=[note.token for note in made]).delete()[0]


@page
def get_or_create_once(request):
    tag, created = Tag.objects.get_or_create(word="tag-3")
    return [tag.pk, created]


@page
def add_each(request):
    draft = Draft.objects.create(name=token())
    for key in (2, 3, 5, 8, 11, 13):
        draft.tags.add(key)  # here: m2m_add_loop
    return draft.delete()[0]


@page
def add_at_once(request):
    draft = Draft.objects.create(name=token())
    draft.tags.add(2, 3, 5, 8, 11, 13)
    return draft.delete()[0]


@page
def order_with_lines(request):
    """A form saved: one row, three lines, a stock that goes down."""
    with transaction.atomic():
        product = Product.objects.select_for_update().get(pk=14)
        draft = Draft.objects.create(name=token())
        made = notes(3, "line-")
        Product.objects.filter(pk=product.pk).update(price=F("price"))
    Note.objects.filter(pk__in=[note.pk for note in made]).delete()
    draft.delete()
    return product.name


@page
def retried(request):
    """The first name is taken, the second is free."""
    ticket = Ticket.objects.earliest("id")
    taken = notes(1, "taken-")[0]
    for word in (taken.token, token()):
        try:
            with transaction.atomic():
                made = Note.objects.create(ticket=ticket, token=word)
        except IntegrityError:
            continue
    return Note.objects.filter(pk__in=[taken.pk, made.pk]).delete()[0]
