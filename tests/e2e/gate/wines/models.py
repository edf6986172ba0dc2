from django.db import models


class Vineyard(models.Model):
    name = models.CharField(max_length=100)


class Wine(models.Model):
    name = models.CharField(max_length=100)
    vineyard = models.ForeignKey(Vineyard, models.CASCADE)


class Note(models.Model):
    wine = models.ForeignKey(Wine, models.CASCADE)
    text = models.TextField()
