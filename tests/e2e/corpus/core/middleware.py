"""The truth about each response, and comments in the way of sqlcommenter."""

import json
import re
import time
from urllib.parse import quote

from django.db import connection

# Not the app's data: transaction control and settings.
CONTROL = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|SET|RESET|SHOW|DISCARD|FETCH|CLOSE)\b", re.IGNORECASE)
SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
FROM = re.compile(r'\bFROM "?(\w+)')


class Log:
    """What passes through Django's `execute_wrapper`: an `executemany` is one query, so is an `iterator()`."""

    def __init__(self):
        self.start, self.clock = time.time(), time.perf_counter()
        self.queries, self.slowest = 0, 0.0
        self.selects = {}

    def __call__(self, execute, sql, params, many, context):
        if CONTROL.match(sql):
            return execute(sql, params, many, context)
        self.queries += 1
        if SELECT.match(sql):
            self.selects.setdefault(sql, []).append(repr(params))
        start = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.slowest = max(self.slowest, time.perf_counter() - start)

    def repeats(self):
        """[times, different parameters, table] of each SELECT that ran more than once."""
        return [
            [len(runs), len(set(runs)), (FROM.search(sql) or [None, ""])[1]]
            for sql, runs in self.selects.items()
            if len(runs) > 1
        ]

    def headers(self):
        """For the response, or as a line of a command's output."""
        return {
            "X-Start": f"{self.start:.6f}",
            "X-Wall": f"{time.perf_counter() - self.clock:.4f}",
            "X-Query-Count": str(self.queries),
            "X-Slowest-Query": f"{self.slowest:.4f}",
            "X-Repeats": json.dumps(self.repeats()),
        }


class Comments:
    """Append `/*key='…',…*/` as google-cloud-sqlcommenter does."""

    def __init__(self, tags):
        self.tags = tags

    def __call__(self, execute, sql, params, many, context):
        if tags := self.tags():
            pairs = ",".join(f"{key}='{quote(value)}'" for key, value in sorted(tags.items()))
            sql = f"{sql.rstrip().rstrip(';')} /*{pairs.replace('%', '%%')}*/"
        return execute(sql, params, many, context)


# Both are sync, also under ASGI: the wrappers must be where the queries are, in the thread that owns the connection.


def truth(get_response):
    """Say in the response what ran."""

    def middleware(request):
        log = Log()
        with connection.execute_wrapper(log):
            response = get_response(request)
        match = request.resolver_match
        response["X-Route"] = match.route if match else ""
        for name, value in log.headers().items():
            response[name] = value
        return response

    return middleware


def sqlcommenter(get_response):
    """Comment the queries of requests that ask for it with the header X-Comments."""

    def middleware(request):
        def tags():
            match = request.resolver_match
            return match and {"controller": match.view_name or "", "framework": "django:5.2", "route": match.route}

        if request.headers.get("X-Comments") != "1":
            return get_response(request)
        with connection.execute_wrapper(Comments(tags)):
            return get_response(request)

    return middleware
