"""Templates: the query is in the loop of the template, not in the view."""

from django.shortcuts import render

from core.pages import page
from helpdesk.models import Category, Ticket
from music.models import Album
from sports_league.models import Club, Match


@page
def fixtures(request):
    return render(request, "fixtures.html", {"matches": Match.objects.order_by("played", "id")[:16]})


@page
def fixtures_joined(request):
    matches = Match.objects.select_related("home_team").order_by("played", "id")[:16]
    return render(request, "fixtures.html", {"matches": matches})


@page
def squads(request):
    return render(request, "squads.html", {"clubs": Club.objects.order_by("id")[:11]})


@page
def squads_prefetched(request):
    return render(request, "squads.html", {"clubs": Club.objects.prefetch_related("player_set").order_by("id")[:11]})


@page
def board(request):
    """A count in a tag of the template."""
    return render(request, "board.html", {"categories": Category.objects.order_by("name")})


@page
def album_cards(request):
    """Three relations in one template: artist, cover, genres."""
    return render(request, "album_cards.html", {"albums": Album.objects.filter(cover__isnull=False).order_by("id")[:9]})


@page
def album_cards_fetched(request):
    albums = Album.objects.filter(cover__isnull=False).select_related("artist", "cover").prefetch_related("genres")
    return render(request, "album_cards.html", {"albums": albums.order_by("id")[:9]})


@page
def counted_then_listed(request):
    """`{{ tickets.count }}`, then the loop over the same tickets."""
    return render(request, "tickets.html", {"tickets": Ticket.objects.filter(status="open")})


@page
def counted_with_length(request):
    return render(request, "tickets_length.html", {"tickets": Ticket.objects.filter(status="open")})
