"""The table of `marker`."""

from django.db import models


class Marker(models.Model):
    name = models.CharField(max_length=10)
