"""Live logs through our own web process, against naive Channels in the same run (PERFORMANCE L1–L4, L6).

    python -m bench.log_live

Both use the same database and Redis, a writer in a process of its own, and viewers in another.
Flask-SocketIO and the server without a framework, which the goals name as well, are not installed here;
what they did was measured once and stands in the notes.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.harness import Portal, cpu_seconds, has_postgres, has_redis, postgres_server, redis_server

SECONDS = 5
RATE = 500
MANY = 30_000
NAIVE_MANY = {50: 250, 200: 60}


class Design:
    """A way to show a log live: how to start it, how to write, where to watch."""

    def __init__(self, portal: Portal, name: str) -> None:
        self.portal = portal
        self.name = name
        self.server = portal.serve()

    def make(self) -> dict[str, Any]:
        made: dict[str, Any] = json.loads(self.portal.run("-m", "bench.log_writer", "make"))
        return made

    def path(self, made: dict[str, Any]) -> str:
        return f"/ws/{made['key']}/" if self.name == "naive" else f"/ws/deployments/{made['id']}/"

    def write(self, made: dict[str, Any], lines: int, rate: float) -> "subprocess.Popen[Any]":
        module = "bench.naive" if self.name == "naive" else "bench.log_writer"
        return self.portal.start("-m", module, "write", str(made["key"]), str(lines), str(rate))

    def run(self, viewers: int, lines: int, rate: float, idle: float = 6) -> dict[str, Any]:
        """Write so many lines to so many viewers; what they got, and what the server used for it."""
        made = self.make()
        watching = self.watch(made, viewers, lines, idle)
        before = cpu_seconds(self.server)
        writer = self.write(made, lines, rate)
        found: dict[str, Any] = json.loads(watching.communicate(timeout=300)[0])
        writer.wait(timeout=300)
        return found | {"cpu": cpu_seconds(self.server) - before}

    def watch(self, made: dict[str, Any], viewers: int, lines: int, idle: float) -> "subprocess.Popen[Any]":
        arguments = [self.portal.port, self.path(made), made["token"], viewers, lines, idle]
        process = self.portal.start(
            "-m", "bench.log_viewers", *map(str, arguments), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


@contextmanager
def both() -> Iterator[tuple[Design, Design]]:
    """Ours and the naive one, each with its own tables and process, on the same servers."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server())
        portals = []
        for asgi in ("", "bench.naive:application"):
            url = stack.enter_context(postgres_server()) if has_postgres() else ""
            portals.append(stack.enter_context(Portal(database_url=url, redis_url=redis, asgi=asgi)))
        ours, naive = portals
        naive.env["DJANGO_SETTINGS_MODULE"] = "bench.naive_settings"
        naive.run("-m", "bench.naive", "table")
        yield Design(ours, "ours"), Design(naive, "naive")


def main() -> None:
    if not has_redis():
        print("naive Channels needs redis-server, which is not installed here")
        return
    with both() as (ours, naive):
        steady(ours, naive)
        fastest(ours, naive)
        first_line(ours)
        many_at_once(ours)
    with Portal() as portal:
        print("--- the same without Redis and PostgreSQL")
        embedded = Design(portal, "ours")
        found = embedded.run(50, RATE * SECONDS, RATE)
        print(
            f"50 viewers, {RATE} lines/s: lost {found['lost']}, p50 {found['p50'] * 1000:.0f} ms, server {found['cpu']:.2f} s"
        )
        first_line(embedded)


def steady(ours: Design, naive: Design) -> None:
    """L1 and L2."""
    lines = RATE * SECONDS
    mine, theirs = ours.run(50, lines, RATE), naive.run(50, lines, RATE)
    print(f"--- {RATE} lines/s to 50 viewers for {SECONDS} s")
    for name, found in (("ours", mine), ("naive", theirs)):
        print(
            f"{name:6} lost {found['lost'] / (50 * lines):6.1%}  p50 {found['p50'] * 1000:8.1f} ms"
            f"  server {found['cpu']:.2f} s = {found['cpu'] / found['delivered'] * 1e6:.1f} µs per line and viewer"
        )
    judge("L1 lines lost", mine["lost"], 0)
    judge("L1 p50, ours / naive", mine["p50"] / theirs["p50"], 1 / 80)
    per_line = (mine["cpu"] / mine["delivered"]) / (theirs["cpu"] / theirs["delivered"])
    judge("L2 server time per line and viewer, ours / naive", per_line, 1 / 8)


def fastest(ours: Design, naive: Design) -> None:
    """L3."""
    for viewers, goal in ((50, 200), (200, 500)):
        rates = []
        for design, lines in ((ours, MANY), (naive, NAIVE_MANY[viewers])):
            found = design.run(viewers, lines, 0, idle=20)
            rates.append(found["delivered"] / viewers / found["seconds"])
            print(
                f"    {design.name}: {rates[-1]:,.0f} lines/s to each of {viewers}, lost {found['lost']}, refused {found['refused']}"
            )
        judge(f"L3 durable lines/s to {viewers} viewers, ours / naive", rates[0] / rates[1], goal, more=True)


def first_line(ours: Design) -> None:
    """L4: a line every half second."""
    found = ours.run(1, 12, 2)
    judge("L4 first line of a quiet deployment, p50 ms", found["p50"] * 1000, 10)


def many_at_once(ours: Design) -> None:
    """L6: all come back at once and want what they missed."""
    made = ours.make()
    ours.write(made, 1000, 0).wait(timeout=60)
    watching = ours.watch(made, 500, 1000, 20)
    found = json.loads(watching.communicate(timeout=120)[0])
    judge("L6 of 500 viewers at once refused", found["refused"], 0)
    judge("L6 lines missing at the end", found["lost"], 0)
    judge("L6 seconds until all had caught up", found["catching_up"], 5)


def judge(name: str, value: float, goal: float, *, more: bool = False) -> None:
    reached = value >= goal if more else value <= goal
    sign = "≥" if more else "≤"
    print(f"{name:52} {value:12.4g}   (goal {sign} {goal:.4g}) {'ok' if reached else 'MISSED'}")


if __name__ == "__main__":
    main()
