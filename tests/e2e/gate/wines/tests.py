"""The tests of an ordinary project."""

import os
import unittest

from django.test import TestCase

from .models import Note, Vineyard, Wine


class Cellar(TestCase):
    @classmethod
    def setUpTestData(cls):
        vineyards = [Vineyard.objects.create(name=f"vineyard {number}") for number in range(12)]
        for number in range(24):
            wine = Wine.objects.create(name=f"wine {number}", vineyard=vineyards[number % 12])
        Note.objects.bulk_create(Note(wine=wine, text=f"note {number}") for number in range(3))


class WinesTest(Cellar):
    def test_list(self):
        wines = self.client.get("/wines/").json()["wines"]
        self.assertEqual(len(wines), Wine.objects.count())

    def test_list_again(self):
        self.assertEqual(self.client.get("/wines/").status_code, 200)

    def test_one(self):
        wine = Wine.objects.order_by("-id").first()
        self.assertEqual(len(self.client.get(f"/wines/{wine.pk}/").json()["notes"]), 3)

    def test_none(self):
        self.assertEqual(self.client.get("/wines/0/").status_code, 404)

    @unittest.skipUnless(os.environ.get("GATE_BROKEN"), "only where a test shall fail")
    def test_broken(self):
        self.assertEqual(Wine.objects.count(), -1)


class VineyardsTest(Cellar):
    def test_list(self):
        vineyards = self.client.get("/vineyards/").json()["vineyards"]
        self.assertEqual(len(vineyards), 12)
        self.assertEqual(Wine.objects.filter(vineyard__name="vineyard 1").count(), 2)
