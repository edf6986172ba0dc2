"""Against foreign keys, one-to-one and many-to-many."""

from django.db.models import OuterRef, Prefetch, Subquery, prefetch_related_objects

from accounts.models import Member
from core.pages import page
from helpdesk.models import Ticket
from music.models import Album, Artist, Genre, Label, Playlist, Track
from sports_league.models import Club, Match, Player, Sponsor


@page
def club_players(request):
    """Into a model that inherits."""
    return [[player.number for player in club.player_set.all()] for club in Club.objects.order_by("name")]  # here: n_plus_one


@page
def club_players_prefetched(request):
    clubs = Club.objects.prefetch_related("player_set").order_by("name")
    return [[player.number for player in club.player_set.all()] for club in clubs]


@page
def player_stats(request):
    """An app label with an underscore."""
    return [[stat.goals for stat in player.stat_set.all()] for player in Player.objects.filter(number__lt=8)]  # here: n_plus_one


@page
def label_releases(request):
    """Text keys, a table with a name of its own, a related_name."""
    return [[album.title for album in label.releases.all()] for label in Label.objects.order_by("name")]  # here: n_plus_one


@page
def artist_albums(request):
    """UUID keys."""
    return [[album.title for album in artist.album_set.all()] for artist in Artist.objects.order_by("name")[:15]]  # here: n_plus_one


@page
def artist_albums_prefetched(request):
    artists = Artist.objects.prefetch_related("album_set").order_by("name")[:15]
    return [[album.title for album in artist.album_set.all()] for artist in artists]


@page
def club_home_matches(request):
    """One of two foreign keys to the same model."""
    return [[match.played for match in club.home_matches.all()] for club in Club.objects.filter(city__lt="City 6")]  # here: n_plus_one


@page
def member_assigned(request):
    """One of several roles of the user model."""
    members = Member.objects.order_by("username")[:10]
    return [[ticket.title for ticket in member.assigned.all()] for member in members]  # here: n_plus_one


@page
def four_tickets(request):
    """Small N."""
    return [[reply.text for reply in ticket.reply_set.all()] for ticket in Ticket.objects.order_by("-number")[:4]]  # here: n_plus_one


@page
def artist_tracks(request):
    """Nested: albums of each artist, tracks of each album."""
    artists = Artist.objects.order_by("-name")[:8]
    return [[[track.title for track in album.track_set.all()] for album in artist.album_set.all()] for artist in artists]  # here: n_plus_one


@page
def artist_tracks_prefetched(request):
    artists = Artist.objects.prefetch_related("album_set__track_set").order_by("-name")[:8]
    return [[[track.title for track in album.track_set.all()] for album in artist.album_set.all()] for artist in artists]


@page
def genre_children(request):
    """Down a tree."""
    roots = Genre.objects.filter(parent__isnull=True).order_by("name")
    return [[child.name for child in root.children.all()] for root in roots]  # here: n_plus_one


@page
def genre_tree_at_once(request):
    children = {}
    for genre in Genre.objects.order_by("name"):
        children.setdefault(genre.parent_id, []).append(genre.name)
    return children[None]


@page
def album_genres(request):
    return [[genre.name for genre in album.genres.all()] for album in Album.objects.order_by("title")[:16]]  # here: n_plus_one


@page
def album_genres_prefetched(request):
    albums = Album.objects.prefetch_related("genres").order_by("title")[:16]
    return [[genre.name for genre in album.genres.all()] for album in albums]


@page
def sponsor_clubs(request):
    """Many-to-many with a model of its own in between."""
    return [[club.name for club in sponsor.clubs.all()] for sponsor in Sponsor.objects.order_by("name")]  # here: n_plus_one


@page
def playlist_tracks(request):
    """Many-to-many in the order of another column."""
    playlists = Playlist.objects.order_by("name")[:10]
    return [[track.title for track in playlist.tracks.order_by("playlistentry__position")] for playlist in playlists]  # here: n_plus_one


@page
def playlist_tracks_prefetched(request):
    ordered = Prefetch("tracks", Track.objects.order_by("playlistentry__position"), to_attr="ordered")
    playlists = Playlist.objects.prefetch_related(ordered).order_by("name")[:10]
    return [[track.title for track in playlist.ordered] for playlist in playlists]


@page
def album_covers(request):
    """Reverse one-to-one, absent for some."""
    return [album.cover.colour if hasattr(album, "cover") else None for album in Album.objects.order_by("year", "id")[:20]]  # here: n_plus_one


@page
def album_covers_joined(request):
    albums = Album.objects.select_related("cover").order_by("year", "id")[:20]
    return [album.cover.colour if hasattr(album, "cover") else None for album in albums]


@page
def member_cards(request):
    members = Member.objects.filter(card__isnull=False).order_by("-username")[:11]
    return [member.card.text for member in members]  # here: n_plus_one


@page
def filtered_after_prefetch(request):
    """filter() on what was prefetched asks again."""
    clubs = Club.objects.prefetch_related("player_set").order_by("city", "id")
    return [[player.number for player in club.player_set.filter(number__lt=10)] for club in clubs]  # here: n_plus_one


@page
def filtered_in_prefetch(request):
    low = Prefetch("player_set", Player.objects.filter(number__lt=10), to_attr="low")
    return [[player.number for player in club.low] for club in Club.objects.prefetch_related(low).order_by("city", "id")]


@page
def filtered_in_python(request):
    clubs = Club.objects.prefetch_related("player_set").order_by("city", "id")
    return [[player.number for player in club.player_set.all() if player.number < 10] for club in clubs]


@page
def ticket_attachments(request):
    """Against a generic foreign key."""
    tickets = Ticket.objects.order_by("opened")[:12]
    return [[attachment.name for attachment in ticket.attachments.all()] for ticket in tickets]  # here: n_plus_one


@page
def latest_home_match(request):
    """The newest of each."""
    rows = []
    for club in Club.objects.order_by("-name")[:12]:
        match = club.home_matches.order_by("-played").first()  # here: n_plus_one
        rows.append(match and match.played)
    return rows


@page
def latest_home_match_subquery(request):
    newest = Match.objects.filter(home_team=OuterRef("pk")).order_by("-played").values("played")[:1]
    return list(Club.objects.order_by("-name").annotate(newest=Subquery(newest)).values_list("name", "newest")[:12])


@page
def prefetch_one_by_one(request):
    rows = []
    for album in Album.objects.order_by("-year", "id")[:9]:
        prefetch_related_objects([album], "track_set")  # here: n_plus_one
        rows.append([track.title for track in album.track_set.all()])
    return rows


@page
def prefetch_at_once(request):
    albums = list(Album.objects.order_by("-year", "id")[:9])
    prefetch_related_objects(albums, "track_set")
    return [[track.title for track in album.track_set.all()] for album in albums]


@page
def prefetch_in_chunks(request):
    """Four chunks: the same prefetch four times, each for many rows."""
    tickets = Ticket.objects.prefetch_related("tags").order_by("id").iterator(chunk_size=13)
    return [[tag.word for tag in ticket.tags.all()] for ticket in tickets]


@page
def manual_filter(request):
    """The same mistake without the accessor."""
    albums = Album.objects.filter(year__gt=1990).order_by("id")[:12]
    return [[track.seconds for track in Track.objects.filter(album=album)] for album in albums]  # here: n_plus_one


@page
def grouped_by_hand(request):
    albums = Album.objects.filter(year__gt=1990).order_by("id")[:12]
    tracks = {}
    for track in Track.objects.filter(album__in=[album.pk for album in albums]):
        tracks.setdefault(track.album_id, []).append(track.seconds)
    return tracks
