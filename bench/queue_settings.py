"""The portal's settings with one of the queues that are compared: BENCH_QUEUE=ours, stock or redis."""

import os
from typing import Any

from bench.settings import *  # noqa: F403
from portal.settings import Q_CLUSTER as OURS

WORKERS = int(os.environ.get("BENCH_WORKERS", "2"))
Q_CLUSTER: dict[str, Any] = {**OURS, "workers": WORKERS}
STOCK = {"name": "portal", "workers": WORKERS, "timeout": 45, "retry": 240, "ack_failures": True}

match os.environ.get("BENCH_QUEUE", "ours"):
    case "stock":
        Q_CLUSTER = {**STOCK, "orm": "default"}
    case "redis":
        Q_CLUSTER = {**STOCK, "redis": os.environ["BENCH_REDIS"]}
