"""`to_field`, roles of the user model, a self reference, generic foreign keys."""

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Category(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=50)


class Tag(models.Model):
    word = models.CharField(max_length=30, unique=True)


class Ticket(models.Model):
    number = models.CharField(max_length=20, unique=True)
    title = models.CharField(max_length=100)
    category = models.ForeignKey(Category, models.PROTECT, to_field="slug")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="opened")
    assignee = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="assigned")
    duplicate_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="duplicates")
    tags = models.ManyToManyField(Tag)
    attachments = GenericRelation("Attachment")
    status = models.CharField(max_length=10, default="open")
    priority = models.IntegerField(default=3)
    opened = models.DateTimeField()
    resolution = models.TextField(blank=True)
    contact = models.CharField(max_length=100, blank=True)


class Reply(models.Model):
    ticket = models.ForeignKey(Ticket, models.CASCADE)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    text = models.TextField()


class Attachment(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.CharField(max_length=40)
    content_object = GenericForeignKey()
    name = models.CharField(max_length=50)


class Note(models.Model):
    """Rows that views write, read by no other view."""

    ticket = models.ForeignKey(Ticket, models.CASCADE)
    token = models.CharField(max_length=60, unique=True)
    text = models.CharField(max_length=100, default="")
    seen = models.IntegerField(default=0)


class Draft(models.Model):
    """What views make to delete it again."""

    name = models.CharField(max_length=60)
    tags = models.ManyToManyField(Tag)
