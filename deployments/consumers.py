"""The socket of a deployment: its steps and its lines, for who may see it.

The server says  connected, deployment_update, log, deployment_complete, deployment_error, pong.
The client says  subscribe_deployment {deployment_id, after?}, ack {seq}, ping; anything else closes the
                 socket with 1008. Lines stop after 128 KiB without an `ack` and go on after it.
"""

import asyncio
import contextlib
import logging
import random
from typing import Any
from uuid import UUID

from channels.consumer import get_handler_name
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest, QueryDict
from django.utils import timezone

from deployments import queries
from deployments.logs import messages
from deployments.logs.frames import encode
from deployments.logs.hub import SIGNOUT_TOPIC, current_hub
from deployments.logs.messages import Acknowledge, Allowance, Refused, Subscribe
from deployments.logs.viewers import TooSlow, Viewer
from deployments.logs.visitors import Visitor, identify, session_digest
from portal.core import bell
from portal.core.errors import NotFound

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 60.0
POLICY, FAILED, TRY_AGAIN = 1008, 1011, 1013
GREETING = "Connected. Lines stop after 128 KiB until they are acknowledged with ack {seq}."
NOT_THERE = {"type": "deployment_error", "error": "There is no such deployment."}


class DeploymentConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """One viewer; may watch one deployment at a time."""

    # Lines never go through the channel layer, and a Redis that is down must not refuse a viewer.
    channel_layer_alias = "none"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._allowance = Allowance()
        self._visitor: Visitor | None = None
        self._viewer: Viewer | None = None
        self._watched = ""
        self._serving: asyncio.Task[None] | None = None
        self._guarding: asyncio.Task[None] | None = None

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Handle an event. Channels would first close old connections on a thread, for every acknowledgement;
        ours belong to the hub, which looks after them."""
        await getattr(self, get_handler_name(message))(message)

    async def connect(self) -> None:
        """Refuse strangers before the handshake; begin at once when the address names a deployment."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.scope["headers"]}
        self._headers = headers
        self._hub = current_hub()
        self._visitor = await self._hub.in_thread(identify, headers)
        identifier = self.scope["url_route"]["kwargs"].get("identifier", "")
        keys = await self._find(identifier) if identifier else None
        if self._visitor is None or (identifier and keys is None):
            await self.close()
            return
        await self.accept()
        await self._say({"type": "connected", "message": GREETING, "now": timezone.now().isoformat()})
        self._guarding = asyncio.ensure_future(self._guard())
        if keys:
            self._watch(keys, _after(self.scope.get("query_string", b"")))

    async def disconnect(self, code: int) -> None:
        await _end(self._guarding)
        await _end(self._serving)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Do what the client says, or close."""
        try:
            self._allowance.use()
            message = messages.parse(text_data)
        except Refused as refusal:
            logger.info("A socket was closed: %s.", refusal)
            await self.close(POLICY)
            return
        if isinstance(message, Acknowledge):
            if self._viewer:
                self._viewer.acknowledge(message.number)
        elif isinstance(message, Subscribe):
            await self._subscribe(message)
        else:
            await self._say({"type": "pong"})

    async def _subscribe(self, message: Subscribe) -> None:
        keys = await self._find(message.deployment_id)
        await _end(self._serving)
        self._viewer, self._watched = None, ""
        if keys is None:
            await self._say(NOT_THERE)
        else:
            self._watch(keys, message.after)

    async def _find(self, identifier: str) -> tuple[int, UUID] | None:
        """The keys of a deployment that the visitor may see."""
        if self._visitor is None:
            return None
        try:
            return await self._hub.in_thread(queries.get_deployment_key, self._visitor.user, identifier)
        except NotFound:
            return None

    def _watch(self, keys: tuple[int, UUID], after: int | None) -> None:
        key, uuid = keys
        self._watched = str(uuid)
        self._viewer = Viewer(self._send_text, after=after)
        self._serving = asyncio.ensure_future(self._serve(key, str(uuid), self._viewer))

    async def _serve(self, key: int, uuid: str, viewer: Viewer) -> None:
        try:
            async with self._hub.watching(key, uuid, viewer) as watch:
                await viewer.serve(watch)
        except TooSlow:
            await self.close(TRY_AGAIN)
        except Exception:
            # The database may be away for a moment; the client comes back and goes on where it was.
            logger.exception("A viewer of %s could not be served.", uuid)
            await self.close(FAILED)

    async def _guard(self) -> None:
        """End the socket when its person signs out, or may no longer see what he watches."""
        session = self._visitor.session if self._visitor else ""
        while True:
            # Not all sockets at the same moment.
            wait = RECHECK_SECONDS * random.uniform(0.8, 1)  # noqa: S311
            signed_out = await self._hub.signed_out(session, timeout=wait)
            if not signed_out:
                self._visitor = await self._hub.in_thread(identify, self._headers)
            if signed_out or self._visitor is None or (self._watched and not await self._find(self._watched)):
                await self.close(POLICY)
                return

    async def _say(self, message: dict[str, Any]) -> None:
        await self._send_text(encode(message))

    async def _send_text(self, text: str) -> None:
        await self.send(text_data=text)


@receiver(user_logged_out)
def end_sockets(sender: object, request: HttpRequest, **kwargs: object) -> None:
    """Tell all web processes that this session is over."""
    if request is not None and request.session.session_key:
        bell.ring(SIGNOUT_TOPIC, session_digest(request.session.session_key))


def _after(query: bytes) -> int:
    """The number after which lines are wanted, from the address; all when there is none."""
    given = QueryDict(query[:200]).get("after", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0


async def _end(task: "asyncio.Task[None] | None") -> None:
    if task and task is not asyncio.current_task():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
