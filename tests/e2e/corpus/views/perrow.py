"""An aggregate, a question or a forgotten column for each row."""

from django.db.models import Avg, Count, Exists, Max, OuterRef, Sum

from core.pages import page
from helpdesk.models import Ticket
from music.models import Album, Genre, Label, Playlist
from sports_league.models import Club, Match, Player, Stat
from stock.models import Bin, Document, Movement, Product


@page
def track_counts(request):
    return [[album.title, album.track_set.count()] for album in Album.objects.order_by("title")[:17]]  # here: n_plus_one


@page
def track_counts_annotated(request):
    return list(Album.objects.annotate(n=Count("track")).order_by("title").values_list("title", "n")[:17])


@page
def genre_counts(request):
    """Across many-to-many."""
    return [[genre.name, genre.album_set.count()] for genre in Genre.objects.filter(parent__isnull=False)]  # here: n_plus_one


@page
def release_counts(request):
    return [[label.name, label.releases.count()] for label in Label.objects.order_by("code")]  # here: n_plus_one


@page
def goal_sums(request):
    matches = Match.objects.order_by("played", "id")[:14]
    return [match.stats.aggregate(all=Sum("goals"))["all"] for match in matches]  # here: n_plus_one


@page
def goal_sums_annotated(request):
    return list(Match.objects.order_by("played", "id").annotate(all=Sum("stats__goals")).values_list("id", "all")[:14])


@page
def largest_movement(request):
    bins = Bin.objects.order_by("aisle")[:13]
    return [Movement.objects.filter(to_bin=place).aggregate(top=Max("quantity"))["top"] for place in bins]  # here: n_plus_one


@page
def several_numbers_at_once(request):
    """Different aggregates over one table, once each."""
    return [
        Stat.objects.aggregate(Sum("goals")),
        Match.objects.aggregate(Avg("home_goals"), Avg("away_goals")),
        Club.objects.count(),
        Player.objects.count(),
    ]


@page
def answered(request):
    return [[ticket.number, ticket.reply_set.exists()] for ticket in Ticket.objects.order_by("-opened")[:16]]  # here: n_plus_one


@page
def answered_annotated(request):
    replies = Ticket.reply_set.rel.related_model.objects.filter(ticket=OuterRef("pk"))
    return list(Ticket.objects.annotate(yes=Exists(replies)).order_by("-opened").values_list("number", "yes")[:16])


@page
def answered_by_me(request):
    """With a second condition that stays the same."""
    tickets = Ticket.objects.filter(status="open").order_by("id")[:11]
    return [ticket.reply_set.filter(author=3).exists() for ticket in tickets]  # here: n_plus_one


@page
def owns_list(request):
    """Once: no loop."""
    return [Playlist.objects.filter(owner=3).exists(), Ticket.objects.filter(created_by=3).exists()]


@page
def only_too_little(request):
    return [[ticket.title, ticket.priority] for ticket in Ticket.objects.only("title").order_by("title")[:15]]  # here: n_plus_one


@page
def only_enough(request):
    return [[ticket.title, ticket.priority] for ticket in Ticket.objects.only("title", "priority").order_by("title")[:15]]


@page
def deferred_but_read(request):
    """UUID aside, the classic: defer() the big column, then print it."""
    return [document.body[:10] for document in Document.objects.defer("body").order_by("title")[:8]]  # here: n_plus_one


@page
def deferred_and_left_alone(request):
    return [document.title for document in Document.objects.defer("body").order_by("title")]


@page
def only_lost_the_key(request):
    """only() leaves out the foreign key: a query for the key and one for the row, each time."""
    products = Product.objects.only("name").order_by("id")[:10]
    return [[product.name, product.supplier.name] for product in products]  # here: n_plus_one


@page
def refreshed(request):
    """refresh_from_db() in a loop."""
    rows = []
    for product in Product.objects.order_by("-id")[:7]:
        product.refresh_from_db()  # here: n_plus_one
        rows.append(product.price)
    return rows
