"""Async views: the async methods of the ORM, and sync code in a thread."""

from asgiref.sync import sync_to_async

from core.pages import page
from helpdesk.models import Ticket
from music.models import Album, Artist, Cover
from sports_league.models import Club, Match


@page
async def album_artists(request):
    """`async for`, and an aget() for each row."""
    rows = []
    async for album in Album.objects.order_by("-title")[:12]:
        artist = await Artist.objects.aget(pk=album.artist_id)  # here: n_plus_one
        rows.append([album.title, artist.name])
    return rows


@page
async def album_artists_joined(request):
    return [[album.title, album.artist.name] async for album in Album.objects.select_related("artist").order_by("-title")[:12]]


@page
async def reply_counts(request):
    return [await ticket.reply_set.acount() async for ticket in Ticket.objects.order_by("title")[:10]]  # here: n_plus_one


@page
async def away_teams(request):
    """Sync code in a thread."""

    @sync_to_async
    def load():
        return [match.away_team.name for match in Match.objects.order_by("-id")[:13]]  # here: n_plus_one

    return await load()


@page
async def away_teams_joined(request):
    @sync_to_async
    def load():
        return [match.away_team.name for match in Match.objects.select_related("away_team").order_by("-id")[:13]]

    return await load()


@page
async def squads(request):
    """`async for` in `async for`."""
    rows = []
    async for club in Club.objects.order_by("city", "name")[:9]:
        rows.append([player.number async for player in club.player_set.all()])  # here: n_plus_one
    return rows


@page
async def numbers(request):
    """Different questions, one after another."""
    return [await Album.objects.acount(), await Ticket.objects.acount(), await Cover.objects.filter(colour="red").aexists()]


@page
async def iterated(request):
    return [album.title async for album in Album.objects.order_by("id").aiterator(chunk_size=10)]
