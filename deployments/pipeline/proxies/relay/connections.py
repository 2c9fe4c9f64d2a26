"""A client's connection: one request after the other, until one side has had enough."""

import asyncio
import contextlib
import logging

from deployments.pipeline.proxies.relay import rewriting
from deployments.pipeline.proxies.relay.access_log import AccessLog
from deployments.pipeline.proxies.relay.exchange import Exchange
from deployments.pipeline.proxies.relay.messages import Refused, parse_request
from deployments.pipeline.proxies.relay.settings import Settings
from deployments.pipeline.proxies.relay.streams import Deadlines, Peer
from deployments.pipeline.proxies.relay.table import Site

logger = logging.getLogger(__name__)

# How long what a refused client still sends is swallowed. Closing at once would reset the connection,
# and the client would lose our answer.
LINGER_SECONDS = 2


class Connections:
    """All connections of clients, and what they share."""

    def __init__(self, settings: Settings, deadlines: Deadlines, log: AccessLog) -> None:
        self.settings, self.deadlines, self.log = settings, deadlines, log
        self.open: set[Connection] = set()
        self.is_closing = False
        self.all_closed = asyncio.Event()

    def accept(self, site: Site) -> "Connection":
        return Connection(self, site)

    def close_idle(self, site: Site | None = None) -> None:
        """Close those that wait for a request; the others close when theirs is answered."""
        for connection in list(self.open):
            if connection.is_idle and site in (None, connection.site):
                connection.transport.close()

    async def close(self) -> None:
        """Let what is under way come to its end, for a while."""
        self.is_closing = True
        self.close_idle()
        if self.open:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.all_closed.wait(), self.settings.drain_seconds)
        for connection in list(self.open):
            connection.transport.abort()

    def forget(self, connection: "Connection") -> None:
        self.open.discard(connection)
        if self.is_closing and not self.open:
            self.all_closed.set()


class Connection(Peer):
    """One client."""

    def __init__(self, shared: Connections, site: Site) -> None:
        super().__init__(shared.deadlines)
        self.shared, self.site = shared, site
        self.is_idle = True
        self.address = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]).partition("%")[0].encode() if peer else b"unknown"
        self.shared.open.add(self)
        self.task = asyncio.get_running_loop().create_task(self._serve())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.shared.forget(self)
        if self.task is not None:
            self.task.cancel()

    async def _serve(self) -> None:
        try:
            while await self._serve_one():
                pass
            self.transport.close()
        except (OSError, asyncio.CancelledError):
            self.transport.abort()
        except Exception:
            logger.exception("A connection of site %s failed.", self.site.route.site)
            self.transport.abort()

    async def _serve_one(self) -> bool:
        """Answer the next request; False when there is none, or it was the last."""
        settings = self.shared.settings
        self.is_idle = True
        if not self.buffer and not await self.more(settings.keep_alive_seconds):
            return False
        self.is_idle = False
        started = asyncio.get_running_loop().time()
        try:
            head = await self.read_head(settings.head_seconds)
            if not head:
                return False
            request = parse_request(head)
        except Refused as refused:
            await self._refuse(refused, started)
            return False
        except TimeoutError:
            await self._refuse(Refused(408, "The request did not come."), started)
            return False
        exchange = Exchange(settings, self.shared.deadlines, self.site, self, self.address, request)
        exchange.keep_alive = exchange.keep_alive and not self._must_close()
        try:
            await exchange.run()
        finally:
            self._note(exchange, started)
        if not exchange.keep_alive and exchange.streamed is not None:
            await self._linger()
        return exchange.keep_alive and not self._must_close()

    def _must_close(self) -> bool:
        return self.shared.is_closing or self.site.is_removed

    async def _refuse(self, refused: Refused, started: float) -> None:
        self.write(rewriting.page(refused.status, refused.sentence, keep_alive=False))
        self._write_log(status=refused.status, reason=refused.sentence, ms=self._since(started))
        await self._linger()

    async def _linger(self) -> None:
        """Say that we are done, and swallow what still comes, so that our answer is read."""
        self.end_writing()
        self.buffer.clear()
        until = asyncio.get_running_loop().time() + LINGER_SECONDS
        with contextlib.suppress(TimeoutError):
            while (left := until - asyncio.get_running_loop().time()) > 0:
                if not await self.read_some(1 << 20, left):
                    return

    def _note(self, exchange: Exchange, started: float) -> None:
        request = exchange.request
        self._write_log(
            method=request.method.decode("latin-1"),
            path=request.path,
            status=exchange.status or 499,  # the client went away before there was an answer
            bytes=self.sent - exchange.started_from,
            ms=self._since(started),
            port=exchange.port,
            tries=exchange.tries,
        )

    def _write_log(self, **facts: object) -> None:
        self.shared.log.add(site=self.site.route.site, client=self.address.decode(), **facts)

    def _since(self, started: float) -> float:
        return round((asyncio.get_running_loop().time() - started) * 1000, 1)
