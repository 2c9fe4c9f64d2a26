"""The only maker of boto3 clients: one per process, service and region, with short deadlines."""

import os
import threading
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from django.conf import settings

CONNECT_SECONDS = 10
# Two attempts of one call must fit into the time that the queue gives to a task.
READ_SECONDS = 18
ATTEMPTS = 2

_lock = threading.Lock()
_clients: dict[tuple[int, str, str], Any] = {}


@dataclass(frozen=True)
class Identity:
    """Who we are to AWS."""

    account: str
    arn: str


def client(service: str, region: str = "") -> Any:
    """A client of this service. Safe to share between threads; a forked process gets its own.

    Credentials come the usual way (environment, profile, role), and so does AWS_ENDPOINT_URL.
    """
    key = (os.getpid(), service, region or settings.AWS_REGION)
    # Making a client reads shared state of the library, which is not safe in threads; using one is.
    with _lock:
        if key not in _clients:
            _clients[key] = boto3.session.Session().client(service, region_name=key[2], config=_config())
        return _clients[key]


def forget_clients() -> None:
    """Make every client anew at its next use, because credentials or the endpoint changed."""
    with _lock:
        _clients.clear()


def identity(region: str = "") -> Identity:
    """Ask AWS who we are; raises what botocore raises."""
    answer = client("sts", region).get_caller_identity()
    return Identity(answer["Account"], answer["Arn"])


def _config() -> Config:
    return Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # Callers try again by themselves at their next turn; more attempts here would only hold a worker.
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        user_agent_extra=f"portal/{settings.VERSION}",
    )
