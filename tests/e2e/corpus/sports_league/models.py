"""An app label with an underscore, two foreign keys to one model, multi-table inheritance."""

from django.db import models


class Club(models.Model):
    name = models.CharField(max_length=50)
    city = models.CharField(max_length=50)


class Person(models.Model):
    name = models.CharField(max_length=50)
    born = models.DateField()


class Player(Person):
    club = models.ForeignKey(Club, models.CASCADE)
    number = models.IntegerField()


class Match(models.Model):
    home_team = models.ForeignKey(Club, models.CASCADE, related_name="home_matches")
    away_team = models.ForeignKey(Club, models.CASCADE, related_name="away_matches")
    referee = models.ForeignKey(Person, models.SET_NULL, null=True, related_name="refereed")
    played = models.DateField()
    home_goals = models.IntegerField()
    away_goals = models.IntegerField()


class Stat(models.Model):
    match = models.ForeignKey(Match, models.CASCADE, related_name="stats")
    player = models.ForeignKey(Player, models.CASCADE)
    goals = models.IntegerField()


class Sponsor(models.Model):
    name = models.CharField(max_length=50)
    clubs = models.ManyToManyField(Club, through="Sponsorship")


class Sponsorship(models.Model):
    sponsor = models.ForeignKey(Sponsor, models.CASCADE)
    club = models.ForeignKey(Club, models.CASCADE)
    amount = models.IntegerField()
