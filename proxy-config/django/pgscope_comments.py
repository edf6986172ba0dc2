"""SQL comments that tell which request and which line of code sent a query. One file to copy beside manage.py:

    INSTALLED_APPS = ["pgscope_comments", ...]             # the line of code, also of commands and tasks
    MIDDLEWARE = ["pgscope_comments.middleware", ...]      # the request; first in the list

A query of PostgreSQL then ends as sqlcommenter has it:

    /*action='get',callsite='shop/views.py%3A42',controller='shop.views.book',request_id='9c1f0d2e5b7a4488',route='book/%3Cint%3Apk%3E/'*/

`callsite` is the innermost line outside Django, the standard library and installed packages; where a template asks, its line. Where no
line of the application's own is on the way, it is that of the class of the serializer, or else where the view is defined.
`request_id` (and `traceparent`, where the request came with one) is on the first query of a request on each connection, and on those after
a pause; on each with the setting PGSCOPE_COMMENTS_ID_ALWAYS = True, which a pooler between Django and pgscope needs that hands
out connections by transaction. Django 4.2 and later, sync and async. A query is never the worse for it: what cannot be commented is sent
as it is.
"""

import asyncio
import inspect
import logging
import os
import re
import secrets
import sys
import sysconfig
from contextvars import ContextVar
from time import monotonic
from urllib.parse import quote

import django
from asgiref.sync import AsyncToSync, SyncToAsync, iscoroutinefunction
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.signals import request_finished
from django.db import connections
from django.db.backends.signals import connection_created
from django.template.base import Node
from django.utils.decorators import sync_and_async_middleware

logger = logging.getLogger(__name__)

# What is read of a value; more of it is of no use in a comment.
LONGEST = 128
# Texts are cut at their end in logs and by tools: in longer ones the comment comes first.
LONG_TEXT = 8192
# Of coroutines that await each other.
DEEPEST = 400
ID_ALWAYS = getattr(settings, "PGSCOPE_COMMENTS_ID_ALWAYS", False)
# Seconds without a query after which the next one tells the id again: pgscope takes no pause below 20 ms for an end.
PAUSE = 0.01
# Of views and files: methods are what clients send, and some loaders make up names of templates.
MOST = 10_000
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})")

_RENDER = Node.render_annotated.__code__
# These call the view: what is outward of them are middlewares.
_HANDLERS = BaseHandler._get_response.__code__, BaseHandler._get_response_async.__code__
# Runs sync code in a thread for a coroutine, and waits in a thread for a coroutine.
_IN_THREAD, _FOR_COROUTINE = SyncToAsync.thread_handler.__code__, AsyncToSync.__call__.__code__
_SERIALIZERS = os.sep + os.path.join("rest_framework", "serializers.py")

_current = ContextVar("pgscope_comments", default=None)


class _Request:
    """What is known of a request, as parts of comments."""

    __slots__ = ("request", "task", "id", "trace", "match", "view", "told", "moment")

    def __init__(self, request, task=None):
        self.request, self.task = request, task
        self.id, self.match, self.told, self.moment = None, None, None, 0.0
        self.view = _NO_VIEW

    def around(self, connection):
        """What comes before and after the line of code."""
        match = self.request.resolver_match
        if match is not self.match:
            self.match, self.view = match, _view(match, self.request.method)
        action, controller, route = self.view
        if not self._tells_id(connection):
            return action, controller + route
        if not self.id:
            self._name()
        return action, f"{controller},request_id='{self.id}'{route}{self.trace}"

    def _tells_id(self, connection):
        """Whether this query carries the id of the request. The others go with it; and the driver, which keeps what it worked out
        of a text, works out less where it sees the same one again."""
        if connection.settings_dict["OPTIONS"].get("prepare_threshold") is not None:
            # A statement whose text differs each time would be prepared each time.
            return False
        told, before = self.told, self.moment
        self.told, self.moment = connection.connection, monotonic()
        return told is not self.told or self.moment - before > PAUSE or ID_ALWAYS

    def _name(self):
        # Clients may send the same id twice: a part of it is our own, so that two requests never look like one.
        own = secrets.token_hex(8)
        given = self.request.META.get("HTTP_X_REQUEST_ID")
        self.id = f"{_value(given[:64])}.{own}" if given else own
        found = TRACEPARENT.fullmatch(self.request.META.get("HTTP_TRACEPARENT", ""))
        # The span of this request is a child of the caller's.
        self.trace = f",traceparent='00-{found[1]}-{own}-{found[2]}'" if found else ""


def _value(text):
    # `quote` leaves no quote, asterisk or backslash: nothing can end the comment.
    return quote(str(text)[:LONGEST])


_NO_VIEW = "", "", ""
_views = {}


def _view(match, method):
    """`action`, `controller` and `route` of a view as parts of comments; the same for all its requests."""
    # The methods of a view set have names of their own.
    action = (getattr(match.func, "actions", None) or {}).get(method.lower(), method.lower())
    key = match.route, match.view_name, action
    parts = _views.get(key)
    if parts is None:
        if len(_views) >= MOST:
            _views.clear()
        names = ",action='{}'", ",controller='{}'", ",route='{}'"
        parts = _views[key] = tuple(name.format(_value(value)) for name, value in zip(names, (action, match.view_name, match.route)))
    return parts


class _Code:
    """Which files are the application's own, and their names in comments."""

    def __init__(self):
        paths = sysconfig.get_paths()
        foreign = (paths["stdlib"], paths["platstdlib"], os.path.dirname(django.__file__))
        self.foreign = tuple(os.path.realpath(folder) + os.sep for folder in foreign)
        self.own = os.path.realpath(__file__)
        roots = [str(getattr(settings, "BASE_DIR", "")), os.getcwd(), *sys.path]
        self.roots = [os.path.realpath(root) + os.sep for root in roots if root]
        # Looked at, though not the application's.
        self.known = {code.co_filename: "" for code in (_RENDER, *_HANDLERS, _IN_THREAD)}
        self.names, self.definitions = dict(self.known), {}

    def name(self, filename):
        """The name as in a comment; None where the file is not the application's."""
        try:
            return self.names[filename]
        except KeyError:
            if filename.startswith("<"):
                return None
            if len(self.names) >= MOST:
                self.names = dict(self.known)
            name = self.names[filename] = self._name(os.path.realpath(filename))
            return name

    def _name(self, path):
        if path.endswith(_SERIALIZERS):
            return ""
        parts = path.split(os.sep)
        if "site-packages" in parts or "dist-packages" in parts or path == self.own:
            return None
        if path.startswith(self.foreign):
            return None
        root = next((root for root in self.roots if path.startswith(root)), "")
        short = path[len(root) :] if root else "/".join(parts[-3:])
        # The end of a path tells more than its beginning. Room for `:` and a number.
        return quote(short.replace(os.sep, "/")[-(LONGEST - 10) :])

    def line(self, frame):
        """`callsite` of a frame of the application's own, or of the template that is rendered in it."""
        code = frame.f_code
        if code is _RENDER:
            node = frame.f_locals.get("self")
            name = self.name(str(getattr(getattr(node, "origin", None), "name", "<")))
            return name and f"{name}%3A{node.token.lineno}"
        name = self.name(code.co_filename)
        if name == "" and code.co_name == "to_representation":
            # The fields of a serializer are read by the framework; the class says which.
            return self.definition(type(frame.f_locals.get("self")))
        # Others are compiled from something else, whose lines these are not.
        return f"{name}%3A{frame.f_lineno}" if name and code.co_filename.endswith(".py") else name

    def innermost(self, frame, request):
        """The first one outward that led to the query."""
        names = self.names
        while frame is not None:
            code = frame.f_code
            # Most are Django's, and known to be.
            if names.get(code.co_filename, "") is not None:
                if code in _HANDLERS:
                    return self.view(request)
                if code is _IN_THREAD:
                    return self.in_thread(frame, request)
                if found := self.line(frame):
                    return found
            frame = frame.f_back
        return None

    def in_thread(self, frame, request):
        """That of the coroutine which a thread does something for: the frames outward are not its own."""
        while frame is not None:
            if frame.f_code is _FOR_COROUTINE:
                return self.awaiting(frame.f_locals.get("awaitable"), request) or self.innermost(frame, request)
            frame = frame.f_back
        return self.awaiting(request.task.get_coro(), request) if request and request.task else None

    def view(self, request):
        """Where the view of a request is defined; None where it is not the application's."""
        view = getattr(request and request.request.resolver_match, "func", None)
        admin = getattr(view, "model_admin", None)
        return self.definition(getattr(view, "view_class", None) or getattr(view, "cls", None) or (type(admin) if admin else view))

    def definition(self, thing):
        """Where a class is defined, or the nearest of its bases that is the application's, or a function."""
        try:
            return self.definitions[thing]
        except KeyError:
            if len(self.definitions) >= MOST:
                self.definitions = {}
            found = self.definitions[thing] = self._definition(thing)
            return found

    def _definition(self, thing):
        for one in thing.__mro__ if isinstance(thing, type) else [inspect.unwrap(thing)] if callable(thing) else []:
            try:
                if name := self.name(inspect.getsourcefile(one) or "<"):
                    return f"{name}%3A{inspect.getsourcelines(one)[1]}"
            except (OSError, TypeError):
                pass
        return None

    def awaiting(self, waiting, request):
        """The innermost one of a coroutine that waits for a query in a thread."""
        found = None
        for _ in range(DEEPEST):
            for frame, inner in (("cr_frame", "cr_await"), ("ag_frame", "ag_await"), ("gi_frame", "gi_yieldfrom")):
                if hasattr(waiting, frame):
                    break
            else:
                return found
            frame = getattr(waiting, frame)
            if frame is not None:
                found = self.view(request) if frame.f_code in _HANDLERS else self.line(frame) or found
            waiting = getattr(waiting, inner)
        return found


_code = None


def _commented(sql, doubled, connection):
    """The statement with its comment. Texts that are no `str` are composed by the driver and stay as they are."""
    global _code
    if not isinstance(sql, str):
        return sql
    code = _code = _code or _Code()
    request = _current.get()
    before, after = request.around(connection) if request else ("", "")
    callsite = code.innermost(sys._getframe(2), request)
    pairs = f"{before},callsite='{callsite}'{after}" if callsite else before + after
    if not pairs:
        return sql
    pairs = (pairs.replace("%", "%%") if doubled else pairs)[1:]
    if len(sql) > LONG_TEXT:
        return f"/*{pairs}*/ {sql}"
    # A comment to the end of the line would swallow ours.
    return f"{sql}\n/*{pairs}*/" if "--" in sql else f"{sql} /*{pairs}*/"


_told = False


def _comment(execute, sql, params, many, context):
    global _told
    try:
        # The driver reads `%` where there are parameters, be they none.
        sql = _commented(sql, params is not None or many, context["connection"])
    except Exception:
        if not _told:
            _told = True
            logger.warning("queries are sent without comments", exc_info=True)
    return execute(sql, params, many, context)


def _watch(connection, **_):
    # First in the list: `execute_wrapper` takes away the last one, whosever that is.
    if connection.vendor == "postgresql" and _comment not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _comment)


def _forget(**_):
    _current.set(None)


connection_created.connect(_watch, dispatch_uid="pgscope_comments")
# Of a streaming response: others are forgotten by the middleware.
request_finished.connect(_forget, dispatch_uid="pgscope_comments")


@sync_and_async_middleware
def middleware(get_response):
    """Let the queries of a request carry its id, its route and its view."""
    for connection in connections.all(initialized_only=True):
        _watch(connection)

    if iscoroutinefunction(get_response):

        async def comments(request):
            token = _current.set(_Request(request, asyncio.current_task()))
            response = None
            try:
                response = await get_response(request)
                return response
            finally:
                if not getattr(response, "streaming", False):
                    _current.reset(token)

    else:

        def comments(request):
            token = _current.set(_Request(request))
            response = None
            try:
                response = get_response(request)
                return response
            finally:
                if not getattr(response, "streaming", False):
                    _current.reset(token)

    return comments
