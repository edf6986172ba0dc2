"""How much comes back, and what the server must do for it."""

from django.core.paginator import Paginator
from django.db.models import Q

from core.pages import page
from helpdesk.models import Ticket
from music.models import Album, Country, Track
from stock.models import Document, Reading


@page
def count_then_list(request):
    """count(), then all of them."""
    tickets = Ticket.objects.filter(status="closed").order_by("id")
    return [tickets.count(), [ticket.title for ticket in tickets]]  # here: count_then_fetch


@page
def exists_then_list(request):
    albums = Album.objects.filter(year__gt=2000)
    return [album.title for album in albums] if albums.exists() else []  # here: count_then_fetch


@page
def list_with_length(request):
    tickets = list(Ticket.objects.filter(status="closed").order_by("id"))
    return [len(tickets), [ticket.title for ticket in tickets]]


@page
def count_of_another(request):
    """A count and a list that have different conditions."""
    return [Ticket.objects.count(), [ticket.title for ticket in Ticket.objects.filter(status="closed")]]


@page
def all_readings_of_sensor(request):
    """2,000 rows on one page."""
    return [reading.value for reading in Reading.objects.filter(sensor=7).order_by("at")]  # here: unbounded_select


@page
def paginated_readings(request):
    paginator = Paginator(Reading.objects.filter(sensor=7).order_by("at"), 50)
    return [reading.value for reading in paginator.get_page(1)]


@page
def sliced_readings(request):
    return [reading.value for reading in Reading.objects.filter(sensor=7).order_by("-at")[:50]]


@page
def streamed_readings(request):
    """Many rows, a few at a time."""
    return sum(reading.value for reading in Reading.objects.filter(sensor__lt=4).iterator(chunk_size=500))


@page
def tracks_of_albums(request):
    """A whole small table."""
    return [track.title for track in Track.objects.order_by("album_id", "id")[:150]]


@page
def export(request):
    """12,000 objects in memory."""
    return sum(reading.value for reading in Reading.objects.filter(id__lte=12000))  # here: large_result


@page
def export_iterated(request):
    return sum(reading.value for reading in Reading.objects.filter(id__lte=12000).iterator(chunk_size=1000))


@page
def titles_with_bodies(request):
    """Texts of 5 kB are read for a list of titles."""
    return [document.title for document in Document.objects.order_by("title")]  # here: wide_rows


@page
def titles_only(request):
    return [document.title for document in Document.objects.only("title").order_by("title")]


@page
def one_document(request):
    return Document.objects.get(title="Document 4").body


@page
def far_page(request):
    readings = Reading.objects.order_by("id")[30000:30025]
    return [reading.value for reading in readings]  # here: deep_offset


@page
def far_page_by_key(request):
    return [reading.value for reading in Reading.objects.filter(id__gt=30000).order_by("id")[:25]]


@page
def near_page(request):
    return [reading.value for reading in Reading.objects.order_by("id")[50:75]]


@page
def random_readings(request):
    return [reading.value for reading in Reading.objects.order_by("?")[:5]]  # here: random_order


@page
def thousand_keys(request):
    """1,500 keys in one IN."""
    return Reading.objects.filter(id__in=range(1, 3001, 2), value__gt=990).count()  # here: huge_in_list


@page
def hundred_keys(request):
    return Reading.objects.filter(id__in=range(1, 200, 2), value__gt=500).count()


@page
def printed_queryset(request):
    """A query set in a log line: repr() reads 21 rows."""
    return f"loaded {Track.objects.filter(seconds__gt=200).order_by('title')}"  # here: repr_queryset


@page
def printed_list(request):
    return f"loaded {[track.title for track in Track.objects.filter(seconds__gt=200).order_by('title')[:20]]}"


@page
def search_inside(request):
    """A word anywhere in a text, over 200,000 rows."""
    return [reading.value for reading in Reading.objects.filter(note__icontains="NUMBER 199999")[:10]]  # here: non_sargable


@page
def search_by_date(request):
    """`__date` computes on each row."""
    return Reading.objects.filter(at__date="2024-05-01").count()  # here: non_sargable


@page
def search_by_range(request):
    return Reading.objects.filter(at__gte="2024-01-20T00:00Z", at__lt="2024-01-20T01:00Z", sensor=3).count()


@page
def search_small_table(request):
    """The same shape over nine rows costs nothing."""
    return [country.code for country in Country.objects.filter(Q(name__icontains="n"))]
