"""UUID and text primary keys, a table with a name of its own, a tree, one-to-one, many-to-many with and without `through`."""

import uuid

from django.conf import settings
from django.db import models


class Country(models.Model):
    code = models.CharField(max_length=2, primary_key=True)
    name = models.CharField(max_length=50)


class Artist(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100)
    country = models.ForeignKey(Country, models.PROTECT)
    manager = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="managed")


class Label(models.Model):
    code = models.CharField(max_length=8, primary_key=True)
    name = models.CharField(max_length=100)

    class Meta:
        db_table = "record_labels"


class Genre(models.Model):
    name = models.CharField(max_length=50, unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="children")


class Album(models.Model):
    title = models.CharField(max_length=100)
    artist = models.ForeignKey(Artist, models.CASCADE)
    label = models.ForeignKey(Label, models.SET_NULL, null=True, related_name="releases")
    genres = models.ManyToManyField(Genre)
    year = models.IntegerField()
    notes = models.TextField()


class Cover(models.Model):
    album = models.OneToOneField(Album, models.CASCADE)
    colour = models.CharField(max_length=20)


class Track(models.Model):
    album = models.ForeignKey(Album, models.CASCADE)
    title = models.CharField(max_length=100)
    seconds = models.IntegerField()


class Playlist(models.Model):
    name = models.CharField(max_length=100)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    tracks = models.ManyToManyField(Track, through="PlaylistEntry")


class PlaylistEntry(models.Model):
    playlist = models.ForeignKey(Playlist, models.CASCADE)
    track = models.ForeignKey(Track, models.CASCADE)
    position = models.IntegerField()
