"""`manage.py web`: serves the pages, the API and the live logs."""

import os
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import addresses


class Command(BaseCommand):
    help = "Serve the portal on HOST:PORT until stopped (SIGTERM or Ctrl-C)."

    def handle(self, *args: Any, **options: Any) -> None:
        # First of all: Twisted takes whatever event loop it finds when it is first imported.
        from portal.web_server import serve  # isort:skip
        from daphne.endpoints import build_endpoint_description_strings

        from portal.asgi import application

        problem = addresses.why_not_listen()
        if problem:
            raise CommandError(problem)
        endpoints = build_endpoint_description_strings(host=settings.HOST, port=settings.PORT)
        if not serve(application, endpoints=endpoints):
            raise CommandError(f"{settings.HOST}:{settings.PORT} cannot be opened.")
        # A thread that still runs a request would keep the interpreter from ending.
        os._exit(0)
