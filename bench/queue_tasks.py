"""The tasks that are sent through the queues, and the program that sends them.

python -m bench.queue_tasks latency 50 | chains 8 | fill 600 | rate 600 | sleeps 200
"""

import json
import os
import random
import statistics
import sys
import time
from pathlib import Path

import django

STEPS = 12
PATIENCE_SECONDS = 120.0


def results() -> Path:
    return Path(os.environ["PORTAL_DATA_DIR"]) / "results"


def note(name: str) -> None:
    """Write down when a task began; short appends of several processes do not mix."""
    with results().open("a") as file:
        file.write(f"{name} {time.time()}\n")


def step(chain: str, left: int) -> None:
    """One of several steps in a row: each enqueues the next."""
    from django_q.tasks import async_task

    if left == 0:
        note(chain)
    else:
        async_task("bench.queue_tasks.step", chain, left - 1)


def moments() -> dict[str, float]:
    lines = results().read_text().splitlines() if results().exists() else []
    return {name: float(moment) for name, moment in (line.split() for line in lines)}


def wait_for(names: list[str]) -> dict[str, float]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = moments()
        if all(name in found for name in names):
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(found)} of {len(names)} tasks ran")
        time.sleep(0.01)


def latency(count: int) -> dict[str, float]:
    """Enqueue one by one at random moments; milliseconds until each began."""
    from django_q.tasks import async_task

    sent = {}
    for number in range(count):
        time.sleep(random.uniform(0.05, 0.25))
        sent[f"latency-{number}"] = time.time()
        async_task("bench.queue_tasks.note", f"latency-{number}")
    found = wait_for(list(sent))
    waits = sorted((found[name] - moment) * 1000 for name, moment in sent.items())
    return {"p50": statistics.median(waits), "p90": waits[int(len(waits) * 0.9)]}


def chains(count: int) -> dict[str, float]:
    """Twelve steps in a row, several times; milliseconds from the first to the last."""
    times = []
    for number in range(count):
        name = f"chain-{number}"
        began = time.time()
        step(name, STEPS)
        times.append((wait_for([name])[name] - began) * 1000)
    return {"p50": statistics.median(times)}


def fill(count: int) -> dict[str, float]:
    """Put tasks in while nobody takes them out."""
    from django_q.tasks import async_task

    for number in range(count):
        async_task("bench.queue_tasks.note", f"fill-{number}")
    return {}


def rate(count: int) -> dict[str, float]:
    """Tasks per second, from the first to the last of those that `fill` put in."""
    found = wait_for([f"fill-{number}" for number in range(count)])
    began = sorted(moment for name, moment in found.items() if name.startswith("fill-"))
    return {"per_second": (count - 1) / (began[-1] - began[0])}


def nap(name: str) -> None:
    """A wait as a task of its own: it keeps a worker."""
    time.sleep(2)
    note(name)


def sleeps(count: int) -> dict[str, float]:
    """As many waits of 2 s as tasks; seconds until all have ended."""
    from django_q.tasks import async_task

    names = [f"nap-{number}" for number in range(count)]
    began = time.time()
    for name in names:
        async_task("bench.queue_tasks.nap", name)
    return {"seconds": max(moment for name, moment in wait_for(names).items() if name in names) - began}


if __name__ == "__main__":
    django.setup()
    measure = {"latency": latency, "chains": chains, "fill": fill, "rate": rate, "sleeps": sleeps}[
        sys.argv[1]
    ]
    print(json.dumps(measure(int(sys.argv[2]))))
