"""What proxy-config/django/pgscope_comments.py makes of the queries of a real Django, as the server saw them.

Run by ../comments.py, in the environment of one Django: `python tests.py`. The variables PGHOST, PGPORT, PGUSER and PGDATABASE name the
server, DRIVER the driver, BINDING=1 binds at the server. A line that sends a query ends in `# asks: NAME`, where NAME is what is tested.
"""

import asyncio
import io
import json
import os
import re
import sys
import unittest
from pathlib import Path
from unittest import mock
from urllib.parse import unquote

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2] / "proxy-config" / "django"))
DRIVER = os.environ.get("DRIVER", "psycopg")
if DRIVER == "psycopg2":
    # Django prefers psycopg 3 where it can be imported.
    sys.modules["psycopg"] = None

import django
from django.conf import settings

OPTIONS = {"server_side_binding": True} if os.environ.get("BINDING") == "1" else {}
DATABASE = {
    "ENGINE": "django.db.backends.postgresql",
    "HOST": os.environ["PGHOST"],
    "PORT": os.environ["PGPORT"],
    "USER": os.environ["PGUSER"],
    "NAME": os.environ["PGDATABASE"],
    "OPTIONS": OPTIONS,
}
settings.configure(
    BASE_DIR=HERE,
    SECRET_KEY="only-for-tests",
    ALLOWED_HOSTS=["testserver"],
    INSTALLED_APPS=["pgscope_comments"],
    MIDDLEWARE=["pgscope_comments.middleware"],
    ROOT_URLCONF=__name__,
    REST_FRAMEWORK={"UNAUTHENTICATED_USER": None},
    DATABASES={"default": DATABASE, "prepared": {**DATABASE, "OPTIONS": {**OPTIONS, "prepare_threshold": 1}}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [HERE / "templates"]}],
)
django.setup()

import pgscope_comments
from asgiref.sync import sync_to_async
from django.db import connection, connections, models, transaction
from django.db.models.expressions import RawSQL
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.test import AsyncClient, Client, override_settings
from django.urls import path, re_path
from django.views import View
from rest_framework import generics, renderers, serializers

# The server's own word for what it runs.
RUNNING = "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"


class Item(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "comments"
        db_table = "item"

    def texts(self):
        """Called by a template: this line is nearer than the template's."""
        return Item.objects.annotate(text=RawSQL(f"({RUNNING})", [])).first().text  # asks: model


def items():
    """Each with the text of the query that reads it."""
    return Item.objects.annotate(text=RawSQL(f"({RUNNING})", [])).order_by("id")


def texts(cursor):
    return HttpResponse(cursor.fetchone()[0])


def ask(request, number):
    with connection.cursor() as cursor:
        cursor.execute(RUNNING)  # asks: view
        return texts(cursor)


def several(request):
    """Two at once, one after a pause, one on a new connection. What is no pause is for the clock to say, and a slow machine's is long."""
    texts = []
    for moment in (1.0, 1.001, 1.1, 1.101):
        if moment == 1.101:
            connection.close()
        with mock.patch.object(pgscope_comments, "monotonic", lambda: moment):
            texts.append(items().first().text)
    return JsonResponse(texts, safe=False)


def prepared(request):
    with connections["prepared"].cursor() as cursor:
        cursor.execute(RUNNING)
        return texts(cursor)


class Asking(View):
    def post(self, request):
        return HttpResponse(items().first().text)  # asks: class


async def ask_async(request):
    item = await items().afirst()  # asks: async
    return HttpResponse(item.text)


async def iterate_async(request):
    async for item in items():  # asks: iteration
        return HttpResponse(item.text)


async def gather_async(request):
    one, two = await asyncio.gather(deeper(), deeper())  # asks: gather
    return JsonResponse({"texts": [one, two]})


async def deeper():
    return (await items().afirst()).text  # asks: deeper


async def thread_async(request):
    return HttpResponse(await sync_to_async(plain)())


def plain():
    return items().first().text  # asks: thread


async def nested_async(request):
    return HttpResponse(await deeper())


def stream(request):
    return StreamingHttpResponse(lines())


def lines():
    for item in items().iterator():  # asks: stream
        yield item.text


def template(request):
    return render(request, "comments/list.html", {"items": Item.objects.all()[:1]})


def lazy(request):
    return render(request, "comments/lazy.html", {"items": items()[:1]})


class ItemSerializer(serializers.ModelSerializer):  # asks: serializer
    class Meta:
        model = Item
        fields = ["name"]


class Listing(generics.ListAPIView):  # asks: generic view
    queryset = Item.objects.only("id")
    serializer_class = ItemSerializer
    renderer_classes = [renderers.JSONRenderer]
    authentication_classes = permission_classes = []


def only_sync(get_response):
    """A middleware that Django must run in a thread."""

    def middleware(request):
        return get_response(request)

    return middleware


def asking(get_response):
    def middleware(request):
        items().first()  # asks: middleware
        return get_response(request)

    return middleware


urlpatterns = [
    path("ask/<int:number>/", ask, name="ask-one"),
    re_path(r"^old/(\d+)/$", ask),
    path("", ask, {"number": 0}),
    path("several/", several),
    path("prepared/", prepared),
    path("class/", Asking.as_view()),
    path("listing/", Listing.as_view()),
    path("async/", ask_async),
    path("async/iteration/", iterate_async),
    path("async/gather/", gather_async),
    path("async/thread/", thread_async),
    path("async/nested/", nested_async),
    path("stream/", stream),
    path("template/", template),
    path("lazy/", lazy),
]


def line(name, file=Path(__file__)):
    """`file:number` of the line that asks."""
    numbers = [number for number, text in enumerate(file.read_text().splitlines(), 1) if text.endswith(f"# asks: {name}")]
    assert len(numbers) == 1, name
    return f"{file.name}:{numbers[0]}"


def tags(text):
    """The tags of the one comment of a text."""
    comments = re.findall(r"/\*(.*?)\*/", text, re.S)
    assert len(comments) == 1, text
    pairs = comments[0].split(",")
    found = [re.fullmatch(r"(\w+)='([^']*)'", pair).groups() for pair in pairs]
    assert [key for key, _ in found] == sorted(key for key, _ in found), text
    assert all(re.fullmatch(r"([\w.~/-]|%[0-9A-F]{2})*", value) for _, value in found), text
    return {key: unquote(value) for key, value in found}


def get(url, **headers):
    """The tags of the query of a view."""
    return tags(Client().get(url, **headers).content.decode())


class Requests(unittest.TestCase):
    def test_a_request_is_told_in_full(self):
        found = get("/ask/7/?q=1")
        self.assertRegex(found.pop("request_id"), r"^[0-9a-f]{16}$")
        expected = {"action": "get", "callsite": line("view"), "controller": "ask-one", "route": "ask/<int:number>/"}
        self.assertEqual(found, expected)

    def test_the_id_comes_first_and_after_pauses(self):
        texts = [tags(text) for text in json.loads(Client().get("/several/").content)]
        ids = [one.get("request_id") for one in texts]
        self.assertEqual([bool(one) for one in ids], [True, False, True, True])
        self.assertEqual(len(set(filter(None, ids))), 1)
        self.assertEqual({one["route"] for one in texts}, {"several/"})
        with mock.patch.object(pgscope_comments, "ID_ALWAYS", True):
            texts = [tags(text) for text in json.loads(Client().get("/several/").content)]
        self.assertEqual(len({one["request_id"] for one in texts}), 1)

    def test_two_requests_never_look_like_one(self):
        ids = {get("/ask/7/", HTTP_X_REQUEST_ID="the same")["request_id"] for _ in range(2)}
        self.assertEqual(len(ids), 2)
        self.assertTrue(all(re.fullmatch(r"the same\.[0-9a-f]{16}", one) for one in ids), ids)

    def test_a_trace_goes_on_in_a_span_of_its_own(self):
        parent = f"00-{'ab' * 16}-{'cd' * 8}-01"
        spans = {get("/ask/7/", HTTP_TRACEPARENT=parent)["traceparent"] for _ in range(2)}
        self.assertEqual(len(spans), 2)
        self.assertTrue(all(re.fullmatch(rf"00-{'ab' * 16}-[0-9a-f]{{16}}-01", one) and one != parent for one in spans), spans)
        self.assertNotIn("traceparent", get("/ask/7/", HTTP_TRACEPARENT="00-xyz"))

    def test_no_header_ends_the_comment(self):
        evil = "a'*/; DROP TABLE item; --\\%00 %s %(x)s"
        self.assertIn(evil, get("/ask/7/", HTTP_X_REQUEST_ID=evil)["request_id"])

    def test_routes_of_every_kind(self):
        self.assertEqual(get("/old/7/")["route"], r"^old/(\d+)/$")
        self.assertEqual(get("/")["route"], "")

    def test_a_class_and_its_method(self):
        found = tags(Client().post("/class/").content.decode())
        self.assertEqual((found["action"], found["callsite"]), ("post", line("class")))

    def test_a_streaming_response_is_told_and_then_forgotten(self):
        response = Client().get("/stream/")
        found = tags(b"".join(response.streaming_content).decode())
        self.assertEqual((found["route"], found["callsite"]), ("stream/", line("stream")))
        response.close()
        self.assertEqual(set(tags(items().first().text)), {"callsite"})

    def test_without_a_request_there_is_the_line(self):
        found = tags(items().first().text)  # asks: command
        self.assertEqual(found, {"callsite": line("command")})


class Frameworks(unittest.TestCase):
    """Where the application has no code of its own on the way."""

    def callsites(self, url):
        """Of each query of a request, as Django passes it on."""
        texts = []

        def note(execute, sql, *rest):
            texts.append(sql.replace("%%", "%"))  # the driver halves them
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            self.assertEqual(Client().get(url).status_code, 200)
        return [tags(text)["callsite"] for text in texts]

    def test_the_class_of_a_serializer_and_of_a_generic_view(self):
        listed, *loop = self.callsites("/listing/")
        self.assertEqual(listed, line("generic view"))
        self.assertEqual(set(loop), {line("serializer")})

    def test_a_middleware_is_named_for_its_own_queries_only(self):
        with override_settings(MIDDLEWARE=["pgscope_comments.middleware", f"{__name__}.asking"]):
            own, listed, *_ = self.callsites("/listing/")
        self.assertEqual([own, listed], [line("middleware"), line("generic view")])


class Templates(unittest.TestCase):
    def test_the_line_of_the_template_that_makes_the_query_run(self):
        self.assertEqual(get("/lazy/")["callsite"], "templates/comments/lazy.html:2")

    def test_a_line_of_python_that_a_template_calls_is_nearer(self):
        self.assertEqual(get("/template/")["callsite"], line("model"))


class Async(unittest.TestCase):
    def get(self, url):
        async def visit():
            return (await AsyncClient().get(url)).content.decode()

        return asyncio.run(visit())

    def check(self, url, name, route=None):
        found = tags(self.get(url))
        self.assertEqual((found["route"], found["callsite"]), (url[1:] if route is None else route, line(name)))
        self.assertIn("request_id", found)

    def test_an_await(self):
        self.check("/async/", "async")

    def test_an_await_in_another_coroutine(self):
        self.check("/async/nested/", "deeper")

    def test_an_iteration(self):
        self.check("/async/iteration/", "iteration")

    def test_a_function_in_a_thread(self):
        self.check("/async/thread/", "thread")

    def test_a_sync_view(self):
        self.check("/ask/3/", "view", "ask/<int:number>/")

    def test_tasks_of_a_request_are_of_the_request(self):
        with mock.patch.object(pgscope_comments, "ID_ALWAYS", True):
            both = [tags(text) for text in json.loads(self.get("/async/gather/"))["texts"]]
        self.assertEqual([one["callsite"] for one in both], [line("gather")] * 2)
        self.assertEqual(len({one["request_id"] for one in both}), 1)


class AsyncBehindSyncMiddleware(Async):
    """The frames of a middleware are in the thread that runs the queries of the view."""

    def setUp(self):
        behind = override_settings(MIDDLEWARE=["pgscope_comments.middleware", f"{__name__}.only_sync"])
        behind.enable()
        self.addCleanup(behind.disable)


class AsyncInWsgi(Async):
    def get(self, url):
        return Client().get(url).content.decode()


class Safety(unittest.TestCase):
    """Any statement runs as it would without."""

    def run_one(self, sql, parameters=None):
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            return cursor.fetchall()

    def test_percent_signs(self):
        for parameters in (None, (), [], {}):
            text = self.run_one(RUNNING, parameters)[0][0]
            self.assertNotIn("%%", text)
            self.assertEqual(tags(text)["callsite"].split(":")[0], "tests.py")
        self.assertEqual(self.run_one("SELECT 'a%', '%s'"), [("a%", "%s")])
        self.assertEqual(self.run_one("SELECT 'a%%', %s", ["b"]), [("a%", "b")])
        self.assertEqual(self.run_one("SELECT %(x)s, '%%(y)s'", {"x": "b"}), [("b", "%(y)s")])
        self.assertEqual(Item.objects.filter(name__contains="50%").count(), 0)

    def test_executemany(self):
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO item (name) VALUES (%s)", [("100%",), ("b",)])
            self.assertEqual(Item.objects.filter(name="100%").count(), 1)
            transaction.set_rollback(True)

    def test_what_comes_at_the_end_of_a_text(self):
        for end in (";", " ; ", "\n;\n", " -- no more", " -- no more;", "\n-- no more\n", " /* of /* two */ */", " -- 100%"):
            self.assertEqual(self.run_one(f"SELECT 1{end}"), [(1,)])
        self.assertEqual(tags(self.run_one(f"{RUNNING} -- no more")[0][0])["callsite"].split(":")[0], "tests.py")
        self.assertEqual(self.run_one("SELECT $$ it's -- /* $$"), [(" it's -- /* ",)])

    def test_a_long_text_begins_with_the_comment(self):
        long = f"{RUNNING} AND '{'x' * 9000}' <> ''"
        self.assertTrue(self.run_one(long)[0][0].startswith("/*callsite='tests.py"))

    def test_a_composed_text_stays_as_it_is(self):
        if DRIVER == "psycopg2":
            from psycopg2 import sql
        else:
            from psycopg import sql
        self.assertEqual(self.run_one(sql.SQL("SELECT {}").format(sql.Literal(7))), [(7,)])

    def test_copy(self):
        with connection.cursor() as cursor:
            if DRIVER == "psycopg2":
                out = io.StringIO()
                cursor.copy_expert("COPY (SELECT 7) TO STDOUT", out)
                self.assertEqual(out.getvalue(), "7\n")
            else:
                with cursor.copy("COPY (SELECT 7) TO STDOUT") as copy:
                    self.assertEqual(b"".join(copy), b"7\n")

    def test_cursors_at_the_server(self):
        (text,) = [item.text for item in items()[:1].iterator(chunk_size=1)]
        self.assertIn("callsite", tags(text))

    def test_savepoints_and_tables(self):
        class Other(models.Model):
            class Meta:
                app_label = "comments"

        with transaction.atomic(), connection.schema_editor() as editor:
            editor.create_model(Other)
            with transaction.atomic():
                Other.objects.create()
            editor.delete_model(Other)

    def test_errors_are_the_servers_own(self):
        with self.assertRaisesRegex(django.db.ProgrammingError, "nothing"):
            self.run_one("SELECT nothing FROM item WHERE name = %s", ["x"])

    def test_what_cannot_be_commented_is_sent(self):
        with mock.patch.object(pgscope_comments, "_told", False):
            with mock.patch.object(pgscope_comments, "_commented", side_effect=RuntimeError("a mistake")):
                with self.assertLogs("pgscope_comments", "WARNING") as logged:
                    self.assertEqual(self.run_one("SELECT 1"), [(1,)])
                    self.assertEqual(self.run_one("SELECT 2"), [(2,)])
        self.assertEqual(len(logged.records), 1)

    def test_wrappers_of_others_come_and_go(self):
        seen = []

        def other(execute, sql, *rest):
            seen.append(sql)
            return execute(sql, *rest)

        connection.close()
        connection.execute_wrappers.clear()
        # Its connection is opened within: ours must not be the one that is taken away.
        with connection.execute_wrapper(other):
            self.run_one("SELECT 1")
        self.assertEqual(connection.execute_wrappers, [pgscope_comments._comment])
        self.assertEqual(len(seen), 1)
        connection.close()
        self.assertIn("callsite", self.run_one(RUNNING)[0][0])
        self.assertEqual(connection.execute_wrappers, [pgscope_comments._comment])

    @unittest.skipIf(DRIVER == "psycopg2", "psycopg2 prepares nothing")
    def test_what_is_prepared_has_the_same_text_each_time(self):
        for _ in range(2):
            found = get("/prepared/")
            self.assertEqual(set(found), {"action", "callsite", "controller", "route"})


def setUpModule():
    with connection.schema_editor() as editor:
        editor.create_model(Item)
    Item.objects.create(name="one")


if __name__ == "__main__":
    unittest.main()
