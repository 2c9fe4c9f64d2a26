"""The routes: kept in files, each with its listener and the requests that are under way."""

import asyncio
import errno
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from deployments.pipeline.proxies.base import PortTaken, Route
from deployments.pipeline.proxies.relay.settings import Settings

_SITE = re.compile(r"[A-Za-z0-9_-]{1,64}")
BACKLOG = 1024


@dataclass(eq=False)
class Site:
    """A route that is served, or why it is not."""

    route: Route
    listener: asyncio.Server | None = None
    error: str = ""
    is_removed: bool = False
    in_flight: Counter[int] = field(default_factory=Counter)

    def enter(self, port: int) -> None:
        self.in_flight[port] += 1

    def leave(self, port: int) -> None:
        self.in_flight[port] -= 1
        if not self.in_flight[port]:
            del self.in_flight[port]


class Table:
    """All sites. `accept` makes the protocol of a new connection to a site."""

    def __init__(self, settings: Settings, accept: Callable[[Site], asyncio.Protocol]) -> None:
        self.settings = settings
        self.sites: dict[str, Site] = {}
        self.is_closed = False
        self._accept = accept
        self._folder = settings.directory / "routes"

    async def load(self) -> None:
        """Serve what is stored. One port that somebody else has taken keeps no other from being served."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(self._folder.glob("*.json")):
            with suppress(ValueError):
                route = read_route(json.loads(path.read_text()))
                self.sites[route.site] = Site(route)
        await self.retry()

    async def retry(self) -> None:
        """Try again to listen where it did not work."""
        for site in list(self.sites.values()):
            if site.listener is None and not self.is_closed:
                with suppress(PortTaken):
                    site.listener = await self._listen(site, site.route.public_port)

    async def apply(self, route: Route) -> None:
        """Listen, store, switch, in this order: what fails changes nothing."""
        for other in self.sites.values():
            if other.route.public_port == route.public_port and other.route.site != route.site:
                raise PortTaken(f"Port {route.public_port} is served for another site.")
        site = self.sites.get(route.site) or Site(route)
        listener = site.listener
        if listener is None or site.route.public_port != route.public_port:
            listener = await self._listen(site, route.public_port)
        try:
            self._store(route)
        except OSError:
            if listener is not site.listener:
                listener.close()
            raise
        if site.listener not in (None, listener):
            assert site.listener
            site.listener.close()
        site.listener, site.route = listener, route
        self.sites[route.site] = site

    def remove(self, name: str) -> Site | None:
        """Stop serving a site; what is under way is finished."""
        if not _SITE.fullmatch(name):
            raise ValueError("The name of the site is malformed.")
        (self._folder / f"{name}.json").unlink(missing_ok=True)
        site = self.sites.pop(name, None)
        if site is not None:
            site.is_removed = True
            if site.listener:
                site.listener.close()
        return site

    def close(self) -> None:
        """Accept nothing more."""
        self.is_closed = True
        for site in self.sites.values():
            if site.listener:
                site.listener.close()

    def status(self) -> dict[str, dict[str, Any]]:
        return {
            name: {"route": site.route.ports(), "error": site.error, "in_flight": dict(site.in_flight)}
            for name, site in self.sites.items()
        }

    async def _listen(self, site: Site, port: int) -> asyncio.Server:
        loop = asyncio.get_running_loop()
        try:
            listener = await loop.create_server(
                lambda: self._accept(site), self.settings.addresses, port, backlog=BACKLOG
            )
        except OSError as error:
            site.error = f"Port {port} cannot be opened on {self.settings.bind}: {_why(error)}."
            raise PortTaken(site.error) from error
        site.error = ""
        return listener

    def _store(self, route: Route) -> None:
        draft = self._folder / f".{route.site}.draft"
        with draft.open("w") as file:
            json.dump(route.ports(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{route.site}.json")


def read_route(stored: Any) -> Route:
    """A route from its JSON; ValueError when it is not one."""
    try:
        route = Route(
            site=stored["site"],
            public_port=stored["public_port"],
            upstream_port=stored["upstream_port"],
            fallback_port=stored.get("fallback_port"),
        )
    except (TypeError, KeyError, AttributeError):
        raise ValueError("The route is incomplete.") from None
    ports = [route.public_port, route.upstream_port]
    ports += [] if route.fallback_port is None else [route.fallback_port]
    if not isinstance(route.site, str) or not _SITE.fullmatch(route.site):
        raise ValueError("The name of the site is malformed.")
    if not all(type(port) is int and 0 < port < 65536 for port in ports):
        raise ValueError("A port is not between 1 and 65535.")
    return route


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    return os.strerror(error.errno) if error.errno else str(error)
