"""Requests per second of the same view: the portal's way through daphne, and Django's stock ASGI application.

python -m bench.web_server
"""

import asyncio
import os
import statistics
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.harness import Portal, cpu_seconds, free_port

CONNECTIONS = 16
SECONDS = 3.0
ROUNDS = 3
STOCK = "bench.stock_asgi:application"
REQUEST = b"GET /null HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


async def _ask_on_and_on(port: int, until: float) -> int:
    """One connection that asks again as soon as it is answered; how often it was."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    count = 0
    while time.monotonic() < until:
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        lowered = head.lower()
        if b"content-length: " in lowered:
            await reader.readexactly(int(lowered.split(b"content-length: ")[1].split(b"\r\n")[0]))
        else:
            await reader.readuntil(b"0\r\n\r\n")
        count += 1
    writer.close()
    return count


async def load(port: int) -> float:
    """Answers per second on some connections."""
    began = time.monotonic()
    counts = await asyncio.gather(
        *(_ask_on_and_on(port, began + SECONDS) for _ in range(CONNECTIONS)), return_exceptions=False
    )
    return sum(counts) / (time.monotonic() - began)


def _part(servers: "list[subprocess.Popen[Any]]") -> None:
    """Give the servers one processor and us another one, so that neither slows the other down."""
    processors = sorted(os.sched_getaffinity(0))
    for server in servers:
        for thread in Path(f"/proc/{server.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), processors[:1])
    os.sched_setaffinity(0, processors[1:] or processors)


@dataclass
class Served:
    """What one server managed, round by round."""

    rates: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)


def compare(middleware: str) -> tuple[Served, Served]:
    """Ours and stock, on the same daphne, asked in turns."""
    ours, stock = Served(), Served()
    with Portal() as our_portal, Portal(asgi=STOCK) as stock_portal:
        running = []
        for portal, served in ((our_portal, ours), (stock_portal, stock)):
            portal.env |= {"DJANGO_SETTINGS_MODULE": "bench.web_settings", "BENCH_MIDDLEWARE": middleware}
            port = free_port()
            running.append((portal.serve(port), port, served))
        _part([process for process, _, _ in running])
        for _ in range(ROUNDS):
            for process, port, served in running:
                before = cpu_seconds(process)
                served.rates.append(asyncio.run(load(port)))
                served.costs.append((cpu_seconds(process) - before) / (served.rates[-1] * SECONDS))
    return ours, stock


def report(name: str, served: Served) -> None:
    cost = statistics.median(served.costs) * 1000
    print(f"  {name:44}{statistics.median(served.rates):7.0f} requests/s, {cost:.2f} ms of processor each")


def main() -> None:
    """Measure with Django's default middleware, which the goal is about, and with the portal's own."""
    for middleware, text in (("django", "Django's middleware"), ("portal", "the portal's middleware")):
        ours, stock = compare(middleware)
        report(f"stock on daphne, {text}", stock)
        report(f"ours on daphne, {text}", ours)
        # Per second of processor: on a busy machine the clock on the wall measures the others as well.
        ratio = statistics.median(stock.costs) / statistics.median(ours.costs)
        goal = " (goal 4x)" if middleware == "django" else ""
        print(f"  W5 {text}: {ratio:.1f}x{goal}")


if __name__ == "__main__":
    main()
