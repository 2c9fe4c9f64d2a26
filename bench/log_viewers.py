"""Many viewers in one process of their own; prints what they got as JSON.

    python -m bench.log_viewers PORT PATH TOKEN VIEWERS LINES IDLE_SECONDS

Prints "ready" when all are connected, and ends when all have all lines or nothing came for a while.
"""

import asyncio
import json
import statistics
import sys
import time

from bench.sockets import Closed, Refused, Socket

ACKNOWLEDGE_BYTES = 32 * 1024


class Viewers:
    """What all viewers got together. A frame that goes to many is read once."""

    def __init__(self, port: int, path: str, token: str, lines: int, idle: float) -> None:
        self.address = (port, path)
        self.token = token
        self.lines = lines
        self.idle = idle
        self.refused = self.delivered = 0
        self.latencies: list[float] = []
        self.first_at = self.last_at = 0.0
        self._read: dict[bytes, tuple[int, int, list[float]]] = {}

    async def connect(self) -> Socket | None:
        try:
            socket = await Socket.open(*self.address, Authorization=f"Bearer {self.token}")
            await socket.receive()
        except (Refused, Closed, OSError):
            self.refused += 1
            return None
        return socket

    async def watch(self, socket: Socket) -> None:
        """Count lines until there are no more."""
        last, unread = 0, 0
        while last < self.lines:
            try:
                data = await asyncio.wait_for(socket.receive(), self.idle)
            except (TimeoutError, Closed):
                return
            number, lines, sample = self._frame(data)
            now = time.time()
            self.delivered += lines
            self.latencies += [now - at for at in sample]
            self.last_at = now
            last = max(last, number)
            unread += len(data)
            if unread > ACKNOWLEDGE_BYTES:
                socket.acknowledge(last)
                unread = 0

    def _frame(self, data: bytes) -> tuple[int, int, list[float]]:
        """The last number, how many lines there are, and when some of them were written."""
        known = self._read.get(data)
        if known is None:
            message = json.loads(data)
            if message["type"] != "log":
                return 0, 0, []
            lines = message["lines"]
            sample = [float(line["text"].split()[3]) for line in lines[:: 1 + len(lines) // 20]]
            self.first_at = min(self.first_at or sample[0], sample[0])
            known = self._read[data] = (message["seq"], len(lines), sample)
        return known


async def main(port: int, path: str, token: str, count: int, lines: int, idle: float) -> None:
    viewers = Viewers(port, path, token, lines, idle)
    began = time.time()
    sockets = await asyncio.gather(*(viewers.connect() for _ in range(count)))
    connected = time.time()
    print("ready", flush=True)
    await asyncio.gather(*(viewers.watch(socket) for socket in sockets if socket))
    print(
        json.dumps(
            {
                "refused": viewers.refused,
                "delivered": viewers.delivered,
                "lost": count * lines - viewers.delivered,
                "p50": statistics.median(viewers.latencies) if viewers.latencies else None,
                "connecting": connected - began,
                "catching_up": viewers.last_at - began,
                "seconds": viewers.last_at - viewers.first_at,
            }
        )
    )


if __name__ == "__main__":
    port, path, token, count, lines, idle = sys.argv[1:]
    asyncio.run(main(int(port), path, token, int(count), int(lines), float(idle)))
