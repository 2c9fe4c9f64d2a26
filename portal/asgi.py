"""The portal as one ASGI application: WebSockets go to Channels, all else to Django on threads.

Under daphne by `manage.py web`; any other ASGI server can serve `portal.asgi:application` as well.
"""

import os
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django_application = get_wsgi_application()

# Only now are the apps ready, which these import.
from django.conf import settings  # noqa: E402

from deployments.routing import websocket_application  # noqa: E402
from portal.wsgi_bridge import Receive, Scope, Send, WsgiBridge  # noqa: E402

http_application = WsgiBridge(django_application, threads=settings.WEB_THREADS)


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Pass each connection on by its kind."""
    kind: Any = scope["type"]
    if kind == "http":
        await http_application(scope, receive, send)
    elif kind == "websocket":
        await websocket_application(scope, receive, send)
    elif kind == "lifespan":
        await _lifespan(receive, send)
    else:
        raise ValueError(f"The portal does not speak {kind!r}.")


async def _lifespan(receive: Receive, send: Send) -> None:
    """Servers other than daphne say when they start and stop; there is nothing to do."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
