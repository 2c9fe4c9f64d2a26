"""One request and its answer: which application gets it, and what happens when that one is gone."""

import asyncio
import contextlib
from collections.abc import Iterator

from deployments.pipeline.proxies.relay import rewriting
from deployments.pipeline.proxies.relay.bodies import Body, ChunkedBody, OpenBody, SizedBody, pass_on
from deployments.pipeline.proxies.relay.messages import Refused, Request, Response, parse_response
from deployments.pipeline.proxies.relay.settings import Settings
from deployments.pipeline.proxies.relay.streams import Application, Deadlines, Peer
from deployments.pipeline.proxies.relay.table import Site

# A body up to this size is held until the answer begins, so that it can be sent again.
HELD_BODY = 64 * 1024
BODY_MISSING = "The body of the request did not come."
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Gone(Exception):
    """The application refused the connection, or closed it before it said anything."""


class Exchange:
    """The way of one request to the application and back."""

    def __init__(
        self,
        settings: Settings,
        deadlines: Deadlines,
        site: Site,
        client: Peer,
        address: bytes,
        request: Request,
    ) -> None:
        self.settings, self.deadlines = settings, deadlines
        self.site, self.client, self.address, self.request = site, client, address, request
        self.held = b""
        self.streamed: Body | None = None
        self.pump: asyncio.Task[None] | None = None
        self.keep_alive = request.keep_alive
        self.status = 0
        self.port = 0
        self.tries = 0
        self.started_from = client.sent

    async def run(self) -> None:
        """Answer the request. Raises when the client's connection can be used no longer."""
        try:
            await self._take_body()
            await self._find_answer()
        except Gone:
            self._say(502, "The application does not answer. It may be starting, or it has stopped.")
        except Refused as refused:
            self._say(refused.status, refused.sentence)

    async def _take_body(self) -> None:
        request, idle = self.request, self.settings.idle_seconds
        if request.expects_continue and (request.length or request.chunked):
            self.client.write(CONTINUE)
        if request.chunked:
            self.streamed = ChunkedBody(self.client, idle)
        elif request.length > HELD_BODY:
            self.streamed = SizedBody(self.client, request.length, idle)
        elif request.length:
            try:
                self.held = await self.client.read_exactly(request.length, idle)
            except TimeoutError:
                self.keep_alive = False
                raise Refused(408, BODY_MISSING) from None

    async def _find_answer(self) -> None:
        """Ask one application after the other until one of them begins to answer."""
        tried: set[int] = set()
        while True:
            port = self._next_port(tried)
            if port is None:
                raise Gone
            tried.add(port)
            self.port, self.tries = port, len(tried)
            with self._counted(port):
                upstream = await self._connect(port)
                if upstream is None:
                    continue
                try:
                    await self._converse(upstream)
                    return
                except Gone:
                    if self.streamed or not self.request.is_idempotent:
                        raise
                finally:
                    await self._part(upstream)

    def _next_port(self, tried: set[int]) -> int | None:
        """Looked up each time: the route may have changed since the last try."""
        route = self.site.route
        candidates = (route.upstream_port, route.fallback_port)
        return next((port for port in candidates if port is not None and port not in tried), None)

    @contextlib.contextmanager
    def _counted(self, port: int) -> Iterator[None]:
        self.site.enter(port)
        try:
            yield
        finally:
            self.site.leave(port)

    async def _connect(self, port: int) -> Application | None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.settings.connect_seconds):
                _, peer = await loop.create_connection(lambda: Application(self.deadlines), "127.0.0.1", port)
        except OSError:
            return None
        return peer

    async def _part(self, upstream: Peer) -> None:
        """Whatever is still being sent has no use any more."""
        upstream.transport.abort()
        if self.pump is not None:
            self.pump.cancel()
            await asyncio.gather(self.pump, return_exceptions=True)

    async def _converse(self, upstream: Peer) -> None:
        head = rewriting.request_head(self.request, self.address, self.settings.strip_cookies)
        if upstream.lost:
            raise Gone
        upstream.write(head + self.held)
        if self.streamed is not None:
            self.pump = asyncio.create_task(self._send_body(self.streamed, upstream))
        response = await self._hear_head(upstream)
        self.status = response.status
        if response.status == 101:
            await self._tunnel(upstream, response)
        else:
            await self._relay(upstream, response)

    async def _send_body(self, body: Body, upstream: Peer) -> None:
        """Runs beside the answer, which may begin, or even end, before the body does."""
        try:
            await pass_on(body, upstream, self.settings.idle_seconds, chunked=self.request.chunked)
        except (OSError, ValueError):
            if not upstream.lost:
                # The client broke off or sent nonsense: the application must not take it for whole.
                upstream.transport.abort()
                raise

    async def _hear_head(self, upstream: Peer) -> Response:
        """The head of the final answer; earlier ones are passed on."""
        while True:
            try:
                head = await upstream.read_head(self.settings.head_seconds)
            except TimeoutError:
                raise Refused(504, "The application took too long to answer.") from None
            except ConnectionResetError:
                head = b""
            except Refused:
                raise Refused(502, "The application's answer is not HTTP.") from None
            if not head:
                self._check_client()
                if upstream.has_spoken:
                    raise Refused(502, "The application broke off its answer.")
                raise Gone
            response = parse_response(head, self.request.method)
            if response.status == 101 and not self.request.upgrade:
                raise Refused(502, "The application changed the protocol without being asked.")
            if response.status == 101 or response.status >= 200:
                return response
            # We have answered 100 ourselves, and HTTP/1.0 knows no earlier answers.
            if response.status != 100 and self.request.minor == 1:
                self.client.write(self._head(response))

    def _check_client(self) -> None:
        """Blame the client when it was its body that ended the conversation."""
        if self.pump is None or not self.pump.done() or self.pump.cancelled():
            return
        error = self.pump.exception()
        if isinstance(error, ValueError):
            raise Refused(400, str(error))
        if isinstance(error, TimeoutError):
            raise Refused(408, BODY_MISSING)
        if error is not None:
            raise ConnectionResetError from error

    def _head(self, response: Response) -> bytes:
        return rewriting.response_head(
            response, self.request, self.settings.strip_cookies, keep_alive=self.keep_alive
        )

    async def _relay(self, upstream: Peer, response: Response) -> None:
        """Pass the answer on. Once it has begun, a fault can only be shown by breaking off."""
        if self.pump is not None and not self.pump.done():
            self.keep_alive = False
        chunked = rewriting.is_chunked_to_client(response, self.request)
        if response.length is None and not chunked:
            self.keep_alive = False
        head = self._head(response)
        if not response.has_body:
            self.client.write(head)
            return
        if response.length and len(upstream.buffer) >= response.length:
            # The usual small answer, which has come in one piece and goes out in one.
            self.client.write(head + upstream.take(response.length))
            return
        self.client.write(head)
        idle = self.settings.idle_seconds
        try:
            await pass_on(_body_of(upstream, response, idle), self.client, idle, chunked=chunked)
        except (OSError, ValueError):
            raise ConnectionResetError from None

    async def _tunnel(self, upstream: Peer, response: Response) -> None:
        """From here on we only carry bytes, both ways, until one side is done."""
        self.keep_alive = False
        self.client.write(self._head(response))
        idle = self.settings.tunnel_idle_seconds
        ways = [
            asyncio.create_task(pass_on(OpenBody(source, idle), target, idle, chunked=False))
            for source, target in ((self.client, upstream), (upstream, self.client))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED, timeout=None)
            for way, target in zip(ways, (upstream, self.client), strict=True):
                if way.done() and not way.exception():
                    target.end_writing()
            await asyncio.wait(ways, timeout=self.settings.drain_seconds)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    def _say(self, status: int, sentence: str) -> None:
        """An answer of our own; possible as long as the application's has not begun."""
        self.status = status
        if self.streamed is not None:
            self.keep_alive = False
        with_body = self.request.method != b"HEAD"
        self.client.write(rewriting.page(status, sentence, keep_alive=self.keep_alive, with_body=with_body))


def _body_of(upstream: Peer, response: Response, seconds: float) -> Body:
    if response.chunked:
        return ChunkedBody(upstream, seconds)
    if response.length is None:
        return OpenBody(upstream, seconds)
    return SizedBody(upstream, response.length, seconds)
