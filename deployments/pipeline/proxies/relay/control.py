"""The unix socket over which the portal tells the proxy what to do: a line of JSON, a line back."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.pipeline.proxies.base import PortTaken
from deployments.pipeline.proxies.relay.connections import Connections
from deployments.pipeline.proxies.relay.table import Table, read_route

LINE_LIMIT = 64 * 1024
SECONDS = 30


class Control:
    """Answers each order once it has taken effect."""

    def __init__(self, table: Table, connections: Connections, stop: Callable[[], None]) -> None:
        self.table, self.connections, self.stop = table, connections, stop
        # Two orders about one site must not interleave.
        self._turn = asyncio.Lock()

    async def listen(self, path: Path) -> asyncio.Server:
        """Whoever may write to the folder may give orders, nobody else."""
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path, limit=LINE_LIMIT)
        path.chmod(0o600)
        return server

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                while line := await reader.readline():
                    answer = await self._answer(line)
                    writer.write(json.dumps(answer).encode() + b"\n")
                    await writer.drain()
        except (OSError, ValueError, asyncio.CancelledError):
            # Hung up, too long a line, or the end of the program: nobody is there to be told.
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            order = json.loads(line)
            async with self._turn:
                return {"ok": True, **await self._obey(order)}
        except PortTaken as error:
            return {"ok": False, "code": "port_taken", "message": str(error)}
        except (ValueError, KeyError, TypeError) as error:
            return {"ok": False, "code": "malformed", "message": str(error)}
        except OSError as error:
            return {"ok": False, "code": "disk", "message": error.strerror or str(error)}

    async def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        match order["op"]:
            case "ping":
                return {"pid": os.getpid(), "settings": self.table.settings.told}
            case "status":
                return {"sites": self.table.status()}
            case "stop":
                self.stop()
                return {}
            case "apply":
                await self.table.apply(read_route(order["route"]))
                return {}
            case "remove":
                if site := self.table.remove(str(order["site"])):
                    self.connections.close_idle(site)
                return {}
            case unknown:
                raise ValueError(f"{unknown!r} is no order.")
