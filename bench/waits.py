"""Waiting is not work: 200 deployments that wait at the same time, against 50 stock workers that sleep.

python -m bench.waits
"""

import json
import subprocess
import sys
import time
from typing import Any

from bench.harness import ROOT, Portal, stop
from bench.waits_app import WAIT_SECONDS
from portal.supervisor import processes

DEPLOYMENTS = 200
STOCK_WORKERS = 50
STOCK_SLEEP_SECONDS = 2.0


def tree_mb(root: int) -> float:
    """The memory of a process and all below it, shared pages counted once (PSS)."""
    found = {process.pid: process.parent for process in processes.all_processes()}
    members, size = {root}, 0
    while len(members) != size:
        size = len(members)
        members |= {pid for pid, parent in found.items() if parent in members}
    return sum(processes.memory_kb(pid) for pid in members) / 1024


def ask_and_watch(portal: Portal, worker: int, *arguments: str) -> tuple[Any, float]:
    """Run a program to its end; its answer, and the most memory that the worker had meanwhile."""
    asking = subprocess.Popen(
        [sys.executable, "-m", *arguments], cwd=ROOT, env=portal.env, stdout=subprocess.PIPE, text=True
    )
    most = 0.0
    while asking.poll() is None:
        most = max(most, tree_mb(worker))
        time.sleep(0.5)
    output, _ = asking.communicate(timeout=10)
    return json.loads(output), most


def measure_ours() -> tuple[float, float]:
    """How many times the ideal the waiting took, and the memory meanwhile."""
    with Portal() as portal:
        portal.env |= {
            "DJANGO_SETTINGS_MODULE": "bench.waits_settings",
            "LOG_LEVEL": "CRITICAL",
            "PORTAL_DEPLOYMENTS_PER_INSTANCE": "1000",
        }
        portal.run("manage.py", "createcachetable")
        worker = portal.start("manage.py", "worker")
        try:
            began = json.loads(portal.run("-m", "bench.waits_tasks", "make", str(DEPLOYMENTS)))["began"]
            result, memory = ask_and_watch(portal, worker.pid, "bench.waits_tasks", "wait", str(DEPLOYMENTS))
        finally:
            stop(worker)
    assert result["succeeded"] == DEPLOYMENTS, result
    return (result["ended"] - began) / WAIT_SECONDS, memory


def measure_stock() -> tuple[float, float]:
    """The same for one sleeping task per wait."""
    with Portal() as portal:
        portal.env |= {
            "DJANGO_SETTINGS_MODULE": "bench.queue_settings",
            "BENCH_QUEUE": "stock",
            "BENCH_WORKERS": str(STOCK_WORKERS),
            "LOG_LEVEL": "CRITICAL",
        }
        portal.run("manage.py", "createcachetable")
        worker = portal.start("manage.py", "qcluster")
        try:
            portal.run("-m", "bench.queue_tasks", "latency", "1")
            result, memory = ask_and_watch(
                portal, worker.pid, "bench.queue_tasks", "sleeps", str(DEPLOYMENTS)
            )
        finally:
            stop(worker)
    return result["seconds"] / STOCK_SLEEP_SECONDS, memory


def main() -> None:
    """Measure and print Q4."""
    stock_wall, stock_memory = measure_stock()
    print(
        f"  {DEPLOYMENTS} waits, {STOCK_WORKERS} stock workers: {stock_wall:.2f}x ideal, {stock_memory:.0f} MB"
    )
    wall, memory = measure_ours()
    print(f"  {DEPLOYMENTS} waits, ours, 2 workers: {wall:.2f}x ideal, {memory:.0f} MB")
    print(
        f"  Q4 {wall:.2f}x the ideal time (goal 1.15x), 1/{stock_memory / memory:.1f} of the memory (goal 1/6)"
    )


if __name__ == "__main__":
    main()
