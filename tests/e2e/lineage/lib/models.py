"""The models of the library."""

from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Author(models.Model):
    name = models.CharField(max_length=50)
    bio = models.TextField(default="")


class Tag(models.Model):
    name = models.CharField(max_length=50)


class Book(models.Model):
    title = models.CharField(max_length=80)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    author = models.ForeignKey(Author, on_delete=models.CASCADE, related_name="books")
    tags = models.ManyToManyField(Tag)


class Profile(models.Model):
    author = models.OneToOneField(Author, on_delete=models.CASCADE)
    site = models.CharField(max_length=50)


class Note(models.Model):
    ct = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    oid = models.PositiveIntegerField()
    obj = GenericForeignKey("ct", "oid")
