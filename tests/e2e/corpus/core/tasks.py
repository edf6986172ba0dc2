"""Work outside of requests: `manage.py task NAME`."""

from django.db import transaction

from helpdesk.models import Note, Ticket
from music.models import Album
from sports_league.models import Match
from stock.models import Job, Product, Reading

TASKS = {}


def task(function):
    TASKS[function.__name__] = function
    return function


@task
def report_home_teams():
    """N+1 in a command."""
    return [f"{match.home_team.name} {match.home_goals}" for match in Match.objects.order_by("id")[:25]]  # here: n_plus_one


@task
def report_track_counts():
    return [album.track_set.count() for album in Album.objects.order_by("id").iterator()]  # here: n_plus_one


@task
def import_notes():
    """An INSERT for each line of a file."""
    ticket = Ticket.objects.earliest("id")
    made = [Note.objects.create(ticket=ticket, token=f"import-{n}").pk for n in range(12)]  # here: insert_loop
    return Note.objects.filter(pk__in=made).delete()[0]


@task
def walk_readings():
    """Page after page by key: as it should be."""
    last, total = 0, 0
    while rows := list(Reading.objects.filter(pk__gt=last, sensor__lt=5).order_by("pk")[:1000]):
        last, total = rows[-1].pk, total + len(rows)
    return total


@task
def stream_readings():
    return sum(reading.value for reading in Reading.objects.filter(sensor__lt=20).iterator(chunk_size=2000))


@task
def work_on_queue():
    """A worker takes one job after another, others may work beside it."""
    worked = 0
    for _ in range(8):
        with transaction.atomic():
            job = Job.objects.select_for_update(skip_locked=True).filter(done=False).order_by("id").first()
            if job is None:
                break
            Job.objects.filter(pk=job.pk).update(done=True)
            worked += 1
    Job.objects.update(done=False)
    return worked


@task
def reprice():
    """Batches of keys, one query and one bulk_update() for each."""
    for at in range(1, 61, 20):
        products = list(Product.objects.in_bulk(range(at, at + 20)).values())
        Product.objects.bulk_update(products, ["price"])


@task
def report_home_teams_joined():
    return [match.home_team.name for match in Match.objects.select_related("home_team").order_by("id")[:25]]
