"""Serves all viewers of a process: each deployment is looked at once, however many watch it.

A watch looks when the bell rings for its deployment, and twice a second in case a ring was lost; it
lives as long as it has viewers. The table is the truth: a viewer who is behind is served from it by
number, one who is not gets the frame that was made for all.
"""

import asyncio
import contextlib
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from django.db import DatabaseError, close_old_connections

from deployments.logs import frames, looking
from deployments.logs.frames import Frame
from deployments.logs.looking import Look
from deployments.logs.ringing import TOPIC
from deployments.logs.viewers import Viewer
from portal.core import bell

logger = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# A quiet deployment's first line goes out at once; a busy one is looked at no more often than this.
FLUSH_SECONDS = 0.025
POLL_SECONDS = 0.5
KEPT_FRAMES = 32
SIGNOUT_TOPIC = "signout"
THREADS = 4
AFTER_ERROR_SECONDS = 1.0
CHECK_SECONDS = 5.0


class Hub:
    """The watches of one event loop, their threads for the database, and the bell that wakes them."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(THREADS, thread_name_prefix="log-hub")
        self.watches: dict[int, Watch] = {}
        self._thread = threading.local()
        self._sessions: dict[str, set[asyncio.Event]] = {}
        self._listening = [
            asyncio.ensure_future(self._listen(TOPIC, self._wake)),
            asyncio.ensure_future(self._listen(SIGNOUT_TOPIC, self._end_session)),
        ]

    @contextlib.asynccontextmanager
    async def watching(self, key: int, identifier: str, viewer: Viewer) -> AsyncIterator["Watch"]:
        """Let this viewer hear of the deployment while the context lasts."""
        watch = self.watches.get(key)
        if watch is None:
            watch = self.watches[key] = Watch(self, key, identifier)
        watch.viewers.add(viewer)
        try:
            await watch.ready()
            yield watch
        finally:
            watch.viewers.discard(viewer)
            if not watch.viewers and self.watches.get(key) is watch:
                del self.watches[key]
                watch.stop()

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that asks the database on a thread of the hub's own."""

        def run() -> T:
            self._check_connection()
            try:
                return call(*args, **kwargs)
            except DatabaseError:
                # Closes the connection if it is of no more use.
                close_old_connections()
                raise

        return await asyncio.get_running_loop().run_in_executor(self.pool, run)

    def _check_connection(self) -> None:
        """Look now and then whether this thread's connection is too old; each look costs a query."""
        now = time.monotonic()
        if now - getattr(self._thread, "checked", 0.0) > CHECK_SECONDS:
            self._thread.checked = now
            close_old_connections()

    async def close(self) -> None:
        """End everything; for tests and for the end of the loop."""
        for listening in self._listening:
            listening.cancel()
        for watch in self.watches.values():
            watch.stop()
        self.pool.shutdown(wait=True)

    async def signed_out(self, session: str, *, timeout: float) -> bool:
        """Wait until this session ends; False after the timeout."""
        over = asyncio.Event()
        waiting = self._sessions.setdefault(session, set())
        waiting.add(over)
        try:
            await asyncio.wait_for(over.wait(), timeout)
        except TimeoutError:
            return False
        else:
            return True
        finally:
            waiting.discard(over)
            if not waiting:
                self._sessions.pop(session, None)

    async def _listen(self, topic: str, heard: Callable[[str], None]) -> None:
        try:
            async with bell.AsyncListener(topic) as listener:
                while True:
                    for payload in await listener.wait(timeout=60):
                        heard(payload)
        except OSError:
            logger.exception(
                "The bell %s cannot be heard; everything is looked at now and then instead.", topic
            )

    def _end_session(self, session: str) -> None:
        for over in self._sessions.get(session, ()) if session else ():
            over.set()

    def _wake(self, payload: str) -> None:
        if payload.isdigit():
            watched = self.watches.get(int(payload))
            if watched:
                watched.wake()
            return
        # An empty ring says that rings may have been missed.
        for watch in self.watches.values():
            watch.wake()


class Watch:
    """One deployment with viewers: how far its log is, the changes of its steps, and its end."""

    def __init__(self, hub: Hub, key: int, identifier: str) -> None:
        self.position = 0
        self.events: list[str] = []
        self.end = ""
        self.viewers: set[Viewer] = set()
        self._hub = hub
        self._key = key
        self._identifier = identifier
        self._known: Look | None = None
        self._frames: OrderedDict[int, asyncio.Future[Frame | None]] = OrderedDict()
        self._rung = asyncio.Event()
        self._looked = asyncio.Event()
        self._running = asyncio.ensure_future(self._run())

    async def ready(self) -> None:
        """Wait until it has been looked at once."""
        await asyncio.wait_for(self._looked.wait(), timeout=30)

    def wake(self) -> None:
        self._rung.set()

    def stop(self) -> None:
        self._running.cancel()

    async def page(self, after: int) -> Frame | None:
        """The frame that follows this number: read once, however many viewers ask for it."""
        kept = self._frames.get(after)
        if kept is None:
            reading = self._hub.in_thread(looking.page, self._key, self._identifier, after)
            kept = asyncio.ensure_future(reading)
            self._keep(after, kept)
        if kept.done() and not kept.exception():
            return kept.result()
        try:
            frame = await asyncio.shield(kept)
        except Exception:
            self._frames.pop(after, None)
            raise
        if frame is None:
            self._frames.pop(after, None)
        return frame

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._rung.clear()
            began = loop.time()
            news = False
            try:
                news = await self._look()
            except looking.Gone:
                self.end = frames.encode({"type": "deployment_error", "error": "It was deleted."})
                self._tell_all()
                return
            except Exception:
                logger.exception("The log of %s cannot be read now.", self._identifier)
                await asyncio.sleep(AFTER_ERROR_SECONDS)
            self._looked.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._rung.wait(), timeout=POLL_SECONDS)
            if news:
                await asyncio.sleep(max(0.0, began + FLUSH_SECONDS - loop.time()))

    async def _look(self) -> bool:
        """Take over what has happened; False when it was nothing."""
        before = self._known
        found = await self._hub.in_thread(looking.look, self._key, self._identifier, before)
        if found is None:
            return False
        self._known = found
        for state in frames.step_changes(before.steps if before else [], found.steps):
            message = frames.step_message(self._identifier, state, len(self.events) + 1)
            self.events.append(frames.encode(message))
        if found.frame:
            # Whoever has all lines up to here gets this one without asking the table.
            ready: asyncio.Future[Frame | None] = asyncio.get_running_loop().create_future()
            ready.set_result(found.frame)
            self._keep(found.frame.after, ready)
        self.position = found.log_count
        if found.outcome and not self.end:
            message = frames.end_message(self._identifier, found.outcome, len(self.events) + 1)
            self.end = frames.encode(message)
        self._tell_all()
        return True

    def _keep(self, after: int, frame: "asyncio.Future[Frame | None]") -> None:
        self._frames[after] = frame
        while len(self._frames) > KEPT_FRAMES:
            self._frames.popitem(last=False)

    def _tell_all(self) -> None:
        self._looked.set()
        for viewer in self.viewers:
            viewer.wake()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def current_hub() -> Hub:
    """The hub of the running event loop."""
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = Hub()
    return hub
