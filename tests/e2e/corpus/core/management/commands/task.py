"""Runs tasks one after another, as a worker does, and prints for each a line of JSON that says what ran."""

import contextlib
import json
import time

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections, connection

from core.middleware import Comments, Log
from core.tasks import TASKS


class Command(BaseCommand):
    help = "Run tasks of core/tasks.py. A name that ends in + has its queries commented."
    requires_system_checks = []

    def add_arguments(self, parser):
        parser.add_argument("names", nargs="+")

    def handle(self, *_args, names, **_options):
        for name in names:
            # Celery does the same before and after each task.
            close_old_connections()
            self.stdout.write(json.dumps(self.run(name.rstrip("+"), name.endswith("+"))))
            close_old_connections()
            time.sleep(settings.TASK_PAUSE)

    def run(self, name, comments):
        log = Log()
        tags = {"task": f"core.tasks.{name}", "framework": "django:5.2"}
        with connection.execute_wrapper(log), contextlib.ExitStack() as stack:
            if comments:
                stack.enter_context(connection.execute_wrapper(Comments(lambda: tags)))
            TASKS[name]()
        return log.headers()
