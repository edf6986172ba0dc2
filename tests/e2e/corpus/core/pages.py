"""The register of the corpus' views."""

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.contrib.auth import get_user_model, login
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.http import JsonResponse

PAGES = {}


def page(view):
    """Register a function view as `<module>/<name>`. What it returns becomes JSON unless it is a response."""

    def answer(data):
        return data if hasattr(data, "status_code") else JsonResponse({"data": data}, json_dumps_params={"default": str})

    if iscoroutinefunction(view):

        async def wrapper(request):
            return answer(await view(request))

    else:

        def wrapper(request):
            return answer(view(request))

    PAGES[name_of(view)] = wrapper
    return view


def api(view_class):
    """Register a class of Django REST framework likewise."""
    PAGES[name_of(view_class)] = view_class.as_view()
    return view_class


def name_of(view):
    return f"{view.__module__.removeprefix('views.')}/{view.__name__}"


def up(request):
    """No query at all."""
    return JsonResponse({})


def enter(request):
    """Log in as who may use the admin, and fill the caches that a process fills once."""
    for model in apps.get_models():
        ContentType.objects.get_for_model(model)
    login(request, get_user_model().objects.get(username="user0"))
    return JsonResponse({})


def marker(request):
    """One query: on a kept connection it ends the request before it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM core_marker")
        return JsonResponse({"data": cursor.fetchall()})
