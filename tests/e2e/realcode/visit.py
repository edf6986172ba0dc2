"""Runs one application: `visit.py PROJECT seed` fills its database, `visit.py PROJECT visit` fetches its pages.

Of each page one line of JSON: what zeal found, and each query as Django itself sent it, with the place in the application.
The queries carry the page's name as their route, so that pgscope's findings tell the pages apart.
"""

import json
import os
import re
import sys
import warnings
from collections import Counter
from pathlib import Path

FRAMEWORKS = re.compile(r"/(django|zeal|psycopg|sqlparse)/")
ALERT = re.compile(r"N\+1 detected on (?P<model>\w+\.\w+)\.(?P<field>.+) at (?P<place>.+) in (?P<function>\S+)$")


def main():
    project, mode = sys.argv[1:]
    os.environ["DJANGO_SETTINGS_MODULE"] = f"{project}.settings"
    import django

    django.setup()
    import zeal.util
    from django.core.management import call_command

    # zeal takes all of site-packages for a framework: here the application is there too.
    zeal.util._is_internal_frame = lambda file: bool(FRAMEWORKS.search(file)) or file == __file__
    content = __import__(f"{project}.content", fromlist=["content"])
    if mode == "seed":
        call_command("migrate", "--verbosity=0")
        content.seed()
    else:
        visit(content)


def visit(content):
    """Each page once straight to the server, to fill caches, then once through pgscope."""
    from django.db import connection
    from django.test import Client

    client, shopper = Client(), Client()
    scope = connection.settings_dict["HOST"], connection.settings_dict["PORT"]
    turn(connection, os.environ["REALCODE_DIRECT_HOST"], os.environ["REALCODE_DIRECT_PORT"])
    client.force_login(content.staff())
    content.prepare(shopper)
    pages = [(name, path, shopper if name in content.SHOPPER else client) for name, path in content.pages()]
    for _, path, visitor in pages:
        visitor.get(path)
    turn(connection, *scope)
    for name, path, visitor in pages:
        print(json.dumps(look(connection, visitor, name, path)), flush=True)


def turn(connection, host, port):
    """Connect to another address from now on."""
    connection.close()
    connection.settings_dict.update(HOST=host, PORT=port)


def look(connection, client, name, path):
    """One page, as one request on a connection of its own."""
    from zeal import zeal_context

    queries = []

    def note(execute, sql, params, many, context):
        queries.append({"sql": sql, "params": repr(params), "place": place()})
        return execute(f"{sql} /*route='{name}'*/", params, many, context)

    with warnings.catch_warnings(record=True) as caught, zeal_context(), connection.execute_wrapper(note):
        warnings.simplefilter("always")
        response = client.get(path)
        response.close()
    connection.close()
    if response.status_code != 200:
        raise RuntimeError(f"{path}: status {response.status_code} {response.headers}")
    return {"page": name, "path": path, "queries": queries, "zeal": alerts(caught)}


def place():
    """The innermost line that is the application's."""
    frame = sys._getframe(1)
    while frame:
        file = frame.f_code.co_filename
        if not FRAMEWORKS.search(file) and file != __file__:
            return f"{short(file)}:{frame.f_lineno}"
        frame = frame.f_back
    return "template"


def short(file):
    """A path without what differs between machines."""
    return file.split("site-packages/")[-1].removeprefix(f"{Path(__file__).parent}/")


def alerts(caught):
    """zeal's findings: it warns from the second query on, so there is one query more than warnings."""
    counts = Counter()
    for warning in caught:
        if found := ALERT.match(str(warning.message)):
            counts[found["model"], found["field"], short(found["place"])] += 1
    return [
        {"model": model, "field": field, "place": place, "count": count + 1, "tables": tables(model, field)}
        for (model, field, place), count in counts.items()
    ]


def tables(model, field):
    """The tables that such a query can read."""
    from django.apps import apps

    model = apps.get_model(model)
    names = [model._meta.db_table]
    relations = [each for each in model._meta.get_fields(include_hidden=True) if each.is_relation and each.related_model]
    for relation in relations:
        accessor = relation.get_accessor_name() if hasattr(relation, "get_accessor_name") else relation.name
        if field in (relation.name, accessor):
            names.insert(0, relation.related_model._meta.db_table)
    return names


if __name__ == "__main__":
    main()
