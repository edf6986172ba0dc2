"""Along foreign keys: the mistake and, below it, what looks like it and is none."""

from django.core.paginator import Paginator
from django.db.models import F

from accounts.models import Member
from core.pages import page
from helpdesk.models import Reply, Ticket
from music.models import Album, Artist, Genre, Label, Track
from sports_league.models import Match, Player, Stat
from stock.models import ActiveProduct, Movement, Product


@page
def album_artists(request):
    return [[album.title, album.artist.name] for album in Album.objects.order_by("title")[:20]]  # here: n_plus_one


@page
def album_artists_joined(request):
    return [[album.title, album.artist.name] for album in Album.objects.select_related("artist").order_by("title")[:20]]


@page
def album_labels(request):
    return [album.label.name if album.label else None for album in Album.objects.order_by("year")[:25]]  # here: n_plus_one


@page
def album_labels_from_dict(request):
    labels = {label.code: label.name for label in Label.objects.all()}
    return [labels.get(album.label_id) for album in Album.objects.order_by("year")[:25]]


@page
def artist_managers(request):
    artists = Artist.objects.filter(manager__isnull=False).order_by("name")
    return [[artist.name, artist.manager.username] for artist in artists]  # here: n_plus_one


@page
def album_keys_only(request):
    """`artist_id` is in the row already."""
    return [[album.title, album.artist_id, album.label_id] for album in Album.objects.order_by("title")]


@page
def match_teams(request):
    """Two foreign keys to one model."""
    matches = Match.objects.order_by("-played")[:15]
    return [[match.home_team.name, match.away_team.name] for match in matches]  # here: n_plus_one


@page
def match_teams_joined(request):
    matches = Match.objects.select_related("home_team", "away_team").order_by("-played")[:15]
    return [[match.home_team.name, match.away_team.name] for match in matches]


@page
def match_home_teams(request):
    return [match.home_team.name for match in Match.objects.filter(home_goals__gt=1).order_by("played")[:12]]  # here: n_plus_one


@page
def match_referees(request):
    """Nullable, to the base of another model."""
    return [match.referee.name for match in Match.objects.order_by("id") if match.referee]  # here: n_plus_one


@page
def match_referees_annotated(request):
    return list(Match.objects.order_by("id").annotate(judge=F("referee__name")).values_list("id", "judge"))


@page
def ticket_categories(request):
    """The foreign key points at a slug."""
    return [[ticket.title, ticket.category.name] for ticket in Ticket.objects.order_by("-opened")[:18]]  # here: n_plus_one


@page
def ticket_categories_prefetched(request):
    tickets = Ticket.objects.prefetch_related("category").order_by("-opened")[:18]
    return [[ticket.title, ticket.category.name] for ticket in tickets]


@page
def ticket_assignees(request):
    """One of several foreign keys to the user model, nullable, few targets."""
    tickets = Ticket.objects.order_by("number")[:30]
    return [ticket.assignee.username if ticket.assignee_id else "nobody" for ticket in tickets]  # here: n_plus_one


@page
def ticket_duplicates_none(request):
    """A nullable relation that is empty everywhere asks nothing."""
    return [ticket.duplicate_of for ticket in Ticket.objects.order_by("number")[:30]]


@page
def product_suppliers(request):
    """The column is not called after the field."""
    return [product.supplier.name for product in Product.objects.order_by("-price")[:16]]  # here: n_plus_one


@page
def active_product_suppliers(request):
    """A proxy model."""
    return [product.supplier.name for product in ActiveProduct.objects.filter(active=True).order_by("id")[:9]]  # here: n_plus_one


@page
def player_clubs(request):
    """A model that inherits: its rows come with a join."""
    return [[player.name, player.club.city] for player in Player.objects.order_by("number", "id")[:22]]  # here: n_plus_one


@page
def player_clubs_joined(request):
    return [[player.name, player.club.city] for player in Player.objects.select_related("club").order_by("number")[:22]]


@page
def genre_parents(request):
    """A tree."""
    return [genre.parent.name for genre in Genre.objects.filter(parent__isnull=False).order_by("name")]  # here: n_plus_one


@page
def genre_parents_joined(request):
    return [genre.parent.name for genre in Genre.objects.filter(parent__isnull=False).select_related("parent")]


@page
def newest_three(request):
    """Small N: three rows."""
    return [album.artist.name for album in Album.objects.order_by("-year", "id")[:3]]  # here: n_plus_one


@page
def newest_four(request):
    return [[stat.goals, stat.player.number] for stat in Stat.objects.order_by("-id")[:4]]  # here: n_plus_one


@page
def second_page(request):
    paginator = Paginator(Match.objects.order_by("-played", "id"), 10)
    return [[match.played, match.away_team.name] for match in paginator.get_page(2)]  # here: n_plus_one


@page
def second_page_joined(request):
    paginator = Paginator(Match.objects.select_related("away_team").order_by("-played", "id"), 10)
    return [[match.played, match.away_team.name] for match in paginator.get_page(2)]


@page
def movements_iterated(request):
    return [movement.product.name for movement in Movement.objects.order_by("id").iterator(chunk_size=12)]  # here: n_plus_one


@page
def movements_iterated_joined(request):
    movements = Movement.objects.select_related("product").order_by("id").iterator(chunk_size=12)
    return [movement.product.name for movement in movements]


@page
def album_artist_and_label(request):
    """Two relations for each row, in turns."""
    albums = Album.objects.filter(label__isnull=False).order_by("-title")[:14]
    return [[album.artist.name, album.label.name] for album in albums]  # here: n_plus_one


@page
def album_detail(request):
    """One object and what hangs on it: four queries, none in a loop."""
    album = Album.objects.get(title="Album 7")
    artist = album.artist
    return [artist.name, artist.country.name, [track.title for track in album.track_set.all()]]


@page
def track_artists(request):
    """A chain of two."""
    return [track.album.artist.name for track in Track.objects.order_by("title")[:13]]  # here: n_plus_one


@page
def track_artists_joined(request):
    return [track.album.artist.name for track in Track.objects.select_related("album__artist").order_by("title")[:13]]


@page
def reply_topics(request):
    """Half a chain is joined, the other half is not."""
    replies = Reply.objects.select_related("ticket").order_by("-id")[:15]
    return [[reply.text, reply.ticket.category.name] for reply in replies]  # here: n_plus_one


@page
def reply_teams(request):
    """A chain of three."""
    replies = Reply.objects.order_by("id")[:14]
    return [reply.ticket.created_by.team.name for reply in replies if reply.ticket.created_by.team_id]  # here: n_plus_one


@page
def reply_teams_joined(request):
    replies = Reply.objects.select_related("ticket__created_by__team").order_by("id")[:14]
    return [reply.ticket.created_by.team.name for reply in replies if reply.ticket.created_by.team_id]


@page
def own_tickets(request):
    """All rows point at one user: the same query with the same value, once for each row."""
    owner = Member.objects.get(username="user5")
    return [[ticket.title, ticket.created_by.email] for ticket in Ticket.objects.filter(created_by=owner).order_by("title")]  # here: duplicate_query


@page
def own_tickets_known(request):
    """The owner is at hand already."""
    owner = Member.objects.get(username="user5")
    return [[ticket.title, owner.email] for ticket in Ticket.objects.filter(created_by=owner).order_by("title")]
