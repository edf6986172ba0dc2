"""Loops of get(), the same question again, generic foreign keys, and repetition that is innocent."""

from django.contrib.auth import authenticate
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from accounts.models import Member, Preference, Team
from core.pages import page
from helpdesk.models import Attachment, Category, Tag, Ticket
from music.models import Album, Artist, Country, Genre, Label, Playlist
from sports_league.models import Club, Match, Person, Sponsor
from stock.models import Bin, Document, Movement, Product, Supplier

# What a client would send in the body of a request.
BASKET = [61, 12, 33, 7, 48, 29, 55, 4, 18, 40]
HANDLES = ["user31", "user4", "user17", "user9", "user22", "user38", "user2"]


@page
def products_of_movements(request):
    """Keys from the database, then a get() for each."""
    keys = Movement.objects.order_by("-id").values_list("product_id", flat=True)[:12]
    return [Product.objects.get(pk=key).name for key in keys]  # here: n_plus_one


@page
def products_of_movements_in_bulk(request):
    keys = list(Movement.objects.order_by("-id").values_list("product_id", flat=True)[:12])
    products = Product.objects.in_bulk(keys)
    return [products[key].name for key in keys]


@page
def tickets_by_own_keys(request):
    """The keys of the very rows that are then read one by one."""
    keys = Ticket.objects.filter(status="open").order_by("title").values_list("pk", flat=True)[:14]
    return [Ticket.objects.get(pk=key).resolution for key in keys]  # here: n_plus_one


@page
def basket(request):
    """Keys from outside, a get() for each."""
    return [Product.objects.get(pk=key).name for key in BASKET]  # here: n_plus_one


@page
def basket_in_bulk(request):
    return [product.name for product in Product.objects.in_bulk(BASKET).values()]


@page
def members_by_handle(request):
    """By another unique column."""
    return [Member.objects.get(username=handle).email for handle in HANDLES]  # here: n_plus_one


@page
def members_by_handle_at_once(request):
    return [member.email for member in Member.objects.filter(username__in=HANDLES)]


@page
def list_then_basket(request):
    """A list, then keys that have nothing to do with it."""
    names = [supplier.name for supplier in Supplier.objects.order_by("name")[:12]]
    return names + [Product.objects.get(pk=key).name for key in BASKET]


@page
def dense_keys(request):
    """The keys of one table happen to be those of another: 1, 2, 3, …"""
    places = [place.aisle for place in Bin.objects.order_by("id")[:12]]
    return places + [Document.objects.get(pk=number).title for number in range(1, 13)]


@page
def first_three(request):
    """Three tabs of fixed objects below a list that happens to have the same three keys."""
    teams = [team.name for team in Team.objects.filter(pk__lte=3).order_by("pk")]
    return teams + [Person.objects.get(pk=key).name for key in (1, 2, 3)]


@page
def raw_per_row(request):
    """Hand-written SQL in a loop."""
    names = []
    with connection.cursor() as cursor:
        for album in Album.objects.filter(label__isnull=False).order_by("title")[:12]:
            cursor.execute("SELECT name FROM record_labels WHERE code = %s", [album.label_id])  # here: n_plus_one
            names.append(cursor.fetchone()[0])
    return names


@page
def raw_joined(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT l.name FROM music_album a JOIN record_labels l ON l.code = a.label_id ORDER BY a.title LIMIT 12")
        return cursor.fetchall()


@page
def dictionaries(request):
    """values(), then a get() for each dictionary."""
    rows = Movement.objects.order_by("quantity").values("quantity", "to_bin_id")[:11]
    return [[row["quantity"], Bin.objects.get(pk=row["to_bin_id"]).aisle] for row in rows]  # here: n_plus_one


@page
def attachment_targets(request):
    """A generic foreign key to three models."""
    return [attachment.content_object.pk for attachment in Attachment.objects.order_by("name")[:20]]  # here: n_plus_one


@page
def attachment_targets_prefetched(request):
    attachments = Attachment.objects.prefetch_related("content_object").order_by("name")[:20]
    return [attachment.content_object.pk for attachment in attachments]


@page
def same_setting(request):
    """Each widget of the page asks for the same setting."""
    return [Preference.objects.get(key="key-3").value + widget for widget in "abcdef"]  # here: duplicate_query


@page
def same_setting_kept(request):
    setting = Preference.objects.get(key="key-3").value
    return [setting + widget for widget in "abcdef"]


@page
def same_list_and_count(request):
    """Header, body and footer each count the open tickets."""
    return [Ticket.objects.filter(status="open").count() for _ in range(4)]  # here: duplicate_query


@page
def different_settings(request):
    """Four lookups by different names, known to the programmer: no list to join them to."""
    return [Preference.objects.get(key=key).value for key in ("key-1", "key-4", "key-7", "key-9")]


@page
def four_objects(request):
    """Objects of four kinds, each by its key."""
    return [
        Album.objects.get(pk=3).title,
        Ticket.objects.get(pk=3).title,
        Club.objects.get(pk=3).name,
        Person.objects.get(pk=3).name,
    ]


@page
def permission_twice(request):
    """A permission check in the middleware and one in the view."""
    allowed = [Member.objects.filter(pk=7, team=Team.objects.get(pk=2)).exists() for _ in range(2)]
    return [*allowed, Ticket.objects.count()]


@page
def lookup_lists(request):
    """Small tables for the drop-downs of a page, whole but once each."""
    models = (Category, Country, Genre, Label, Tag, Team)
    return {model.__name__: [str(row.pk) for row in model.objects.all()] for model in models}


@page
def batches_in_bulk(request):
    """Keys in batches of twenty: a loop, and the right one."""
    keys = list(range(1, 61))
    batches = [Product.objects.in_bulk(keys[at : at + 20]) for at in range(0, 60, 20)]
    return [len(batch) for batch in batches]


@page
def log_in(request):
    """Session and user tables, as every page has them."""
    user = authenticate(request, username="user5", password="secret")
    return [user.username, user.has_perm("stock.view_bin"), user.has_perm("music.view_album")]


@page
def dashboard(request):
    """Seven lists of seven kinds."""
    return [
        [album.title for album in Album.objects.order_by("-id")[:5]],
        [artist.name for artist in Artist.objects.order_by("-name")[:5]],
        [match.played for match in Match.objects.order_by("-played")[:5]],
        [ticket.title for ticket in Ticket.objects.order_by("-opened")[:5]],
        [playlist.name for playlist in Playlist.objects.order_by("name")[:5]],
        [sponsor.name for sponsor in Sponsor.objects.order_by("name")[:5]],
        ContentType.objects.get_for_model(Album).model,
    ]
