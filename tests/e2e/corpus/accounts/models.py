"""People who log in: a user model of our own."""

from django.contrib.auth.models import AbstractUser
from django.db import models


class Team(models.Model):
    name = models.CharField(max_length=50)


class Member(AbstractUser):
    team = models.ForeignKey(Team, models.SET_NULL, null=True)
    email = models.EmailField(unique=True)


class Card(models.Model):
    member = models.OneToOneField(Member, models.CASCADE)
    text = models.CharField(max_length=100)


class Preference(models.Model):
    """A small table that is looked up by name."""

    key = models.CharField(max_length=30, unique=True)
    value = models.CharField(max_length=100)
