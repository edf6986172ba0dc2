"""Pages that are right, and with GATE_MISTAKES wrong: `forward`, `reverse`."""

import os

from django.http import JsonResponse
from django.shortcuts import get_object_or_404

from .models import Vineyard, Wine

MISTAKES = os.environ.get("GATE_MISTAKES", "").split(",")


def wines(request):
    found = Wine.objects.order_by("id")
    if "forward" not in MISTAKES:
        found = found.select_related("vineyard")
    return JsonResponse({"wines": [[wine.name, wine.vineyard.name] for wine in found[:50]]})


def wine(request, pk):
    found = get_object_or_404(Wine.objects.select_related("vineyard"), pk=pk)
    notes = [note.text for note in found.note_set.order_by("id")[:20]]
    return JsonResponse({"wine": found.name, "vineyard": found.vineyard.name, "notes": notes})


def vineyards(request):
    found = Vineyard.objects.order_by("id")
    if "reverse" not in MISTAKES:
        found = found.prefetch_related("wine_set")
    return JsonResponse({"vineyards": [[one.name, [wine.name for wine in one.wine_set.all()]] for one in found[:50]]})
