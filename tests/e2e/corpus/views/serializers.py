"""Django REST framework."""

from rest_framework import generics, serializers

from core.pages import api
from helpdesk.models import Category, Ticket
from music.models import Album, Artist, Country, Genre, Playlist, Track
from sports_league.models import Match, Player, Stat


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields = ["name"]


class ArtistSerializer(serializers.ModelSerializer):
    class Meta:
        model = Artist
        fields = ["id", "name"]


class ArtistCountrySerializer(ArtistSerializer):
    country = CountrySerializer()

    class Meta(ArtistSerializer.Meta):
        fields = ["name", "country"]


class TrackSerializer(serializers.ModelSerializer):
    class Meta:
        model = Track
        fields = ["title", "seconds"]


class AlbumSerializer(serializers.ModelSerializer):  # here: n_plus_one
    artist = ArtistSerializer()

    class Meta:
        model = Album
        fields = ["title", "artist"]


@api
class albums(generics.ListAPIView):
    """A nested serializer along a foreign key."""

    queryset = Album.objects.filter(year__gte=1985).order_by("title")
    serializer_class = AlbumSerializer


@api
class albums_joined(generics.ListAPIView):
    queryset = Album.objects.filter(year__gte=1985).select_related("artist").order_by("title")
    serializer_class = AlbumSerializer


class AlbumTracksSerializer(serializers.ModelSerializer):  # here: n_plus_one
    tracks = TrackSerializer(many=True, source="track_set")

    class Meta:
        model = Album
        fields = ["title", "tracks"]


@api
class album_tracks(generics.ListAPIView):
    """A nested serializer with many=True."""

    queryset = Album.objects.filter(year__lt=2000).order_by("id")
    serializer_class = AlbumTracksSerializer


@api
class album_tracks_prefetched(generics.ListAPIView):
    queryset = Album.objects.filter(year__lt=2000).prefetch_related("track_set").order_by("id")
    serializer_class = AlbumTracksSerializer


class AlbumCountrySerializer(serializers.ModelSerializer):  # here: n_plus_one
    artist = ArtistCountrySerializer()

    class Meta:
        model = Album
        fields = ["title", "artist"]


@api
class album_countries(generics.ListAPIView):
    """Two levels of nesting."""

    queryset = Album.objects.filter(year__gte=1980).order_by("-year", "id")
    serializer_class = AlbumCountrySerializer


@api
class album_countries_joined(generics.ListAPIView):
    queryset = Album.objects.filter(year__gte=1980).select_related("artist__country").order_by("-year", "id")
    serializer_class = AlbumCountrySerializer


class CategorySerializer(serializers.ModelSerializer):
    open = serializers.SerializerMethodField()

    class Meta:
        model = Category
        fields = ["name", "open"]

    def get_open(self, category):
        return category.ticket_set.filter(status="open").count()  # here: n_plus_one


@api
class categories(generics.ListAPIView):
    """A SerializerMethodField that counts."""

    queryset = Category.objects.order_by("slug")
    serializer_class = CategorySerializer


class TicketTagsSerializer(serializers.ModelSerializer):  # here: n_plus_one
    tags = serializers.SlugRelatedField("word", many=True, read_only=True)

    class Meta:
        model = Ticket
        fields = ["title", "tags"]


@api
class ticket_tags(generics.ListAPIView):
    """A SlugRelatedField over many-to-many."""

    queryset = Ticket.objects.filter(status="closed").order_by("id")
    serializer_class = TicketTagsSerializer


@api
class ticket_tags_prefetched(generics.ListAPIView):
    queryset = Ticket.objects.filter(status="closed").prefetch_related("tags").order_by("id")
    serializer_class = TicketTagsSerializer


class GenreSerializer(serializers.ModelSerializer):  # here: n_plus_one
    albums = serializers.PrimaryKeyRelatedField(source="album_set", many=True, read_only=True)

    class Meta:
        model = Genre
        fields = ["name", "albums"]


@api
class genres(generics.ListAPIView):
    """Keys of a many-to-many relation, from its other side."""

    queryset = Genre.objects.filter(parent__isnull=False).order_by("name")
    serializer_class = GenreSerializer


class KeysSerializer(serializers.ModelSerializer):
    class Meta:
        model = Match
        fields = ["id", "home_team", "away_team", "referee"]


@api
class match_keys(generics.ListAPIView):
    """Foreign keys as keys need no query."""

    queryset = Match.objects.order_by("id")
    serializer_class = KeysSerializer


class StatSerializer(serializers.ModelSerializer):
    class Meta:
        model = Stat
        fields = ["goals"]


class PlayerSerializer(serializers.ModelSerializer):
    stats = StatSerializer(many=True, source="stat_set")

    class Meta:
        model = Player
        fields = ["name", "stats"]


@api
class player(generics.RetrieveAPIView):
    """One object with its list."""

    queryset = Player.objects.all()
    serializer_class = PlayerSerializer

    def get_object(self):
        return Player.objects.get(name="Player 5")


class DeepTrackSerializer(TrackSerializer):  # here: serializer_depth
    playlists = serializers.SlugRelatedField("name", source="playlist_set", many=True, read_only=True)

    class Meta(TrackSerializer.Meta):
        fields = ["title", "playlists"]


class DeepAlbumSerializer(serializers.ModelSerializer):
    tracks = DeepTrackSerializer(many=True, source="track_set")

    class Meta:
        model = Album
        fields = ["title", "tracks"]


class DeepArtistSerializer(serializers.ModelSerializer):  # here: n_plus_one
    albums = DeepAlbumSerializer(many=True, source="album_set")

    class Meta:
        model = Artist
        fields = ["name", "albums"]


@api
class deep(generics.ListAPIView):
    """A tree of serializers: artists, albums, tracks, playlists."""

    queryset = Artist.objects.order_by("name")[:6]
    serializer_class = DeepArtistSerializer


@api
class deep_prefetched(generics.ListAPIView):
    queryset = Artist.objects.prefetch_related("album_set__track_set__playlist_set").order_by("name")[:6]
    serializer_class = DeepArtistSerializer


class PlaylistSerializer(serializers.ModelSerializer):  # here: n_plus_one
    owner = serializers.CharField(source="owner.username")
    tracks = serializers.IntegerField(source="tracks.count")

    class Meta:
        model = Playlist
        fields = ["name", "owner", "tracks"]


@api
class playlists(generics.ListAPIView):
    """Dotted sources: a foreign key and a count for each row."""

    queryset = Playlist.objects.order_by("name")
    serializer_class = PlaylistSerializer
