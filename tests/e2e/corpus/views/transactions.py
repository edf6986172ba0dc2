"""Transactions that are open too long, that are broken, and that are fine."""

import time

from django.db import DatabaseError, connection, transaction

from core.pages import page
from music.models import Album, Genre
from stock.models import Bin, Job


def fail():
    with connection.cursor() as cursor:
        cursor.execute("SELECT nothing FROM stock_missing")  # here: aborted_transaction


@page
@transaction.atomic
def waits_inside(request):
    """A call to a service inside of atomic()."""
    job = Job.objects.select_for_update().get(pk=30)
    time.sleep(0.35)
    Job.objects.filter(pk=job.pk).update(done=False)
    return job.name


@page
def waits_after(request):
    """The same call when the transaction is over."""
    with transaction.atomic():
        Job.objects.select_for_update().get(pk=29)
        Job.objects.filter(pk=29).update(done=False)
    time.sleep(0.21)
    return "called"


@page
@transaction.atomic
def long_one(request):
    """1.2 seconds between BEGIN and COMMIT, all of it in the server."""
    with connection.cursor() as cursor:
        for table in ("bin", "job", "product"):
            cursor.execute(f"SELECT pg_sleep(0.4), count(*) FROM stock_{table}")
    return "committed"


@page
def goes_on_when_broken(request):
    """An error is swallowed inside of atomic(): all that follows is refused."""
    try:
        with transaction.atomic():
            try:
                fail()
            except DatabaseError:
                pass
            return Album.objects.count()
    except DatabaseError:
        return "refused"


@page
def goes_on_behind_savepoint(request):
    """The error stays in its own savepoint."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                fail()
        except DatabaseError:
            pass
        return Genre.objects.count()


@page
def fails_alone(request):
    """An error outside of any transaction, then a query."""
    try:
        fail()
    except DatabaseError:
        return Bin.objects.count()


@page
def after_commit(request):
    done = []
    with transaction.atomic():
        Job.objects.filter(pk=28).update(done=False)
        transaction.on_commit(lambda: done.append(Job.objects.count()))
    return done
