"""The request and the deployment that a log line belongs to, carried by context variables."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
deployment_id: ContextVar[str] = ContextVar("deployment_id", default="")


class ContextFilter(logging.Filter):
    """Adds both to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get()
        record.deployment_id = deployment_id.get()
        return True


@contextmanager
def about_deployment(identifier: str) -> Iterator[None]:
    """Mark all log lines written inside as being about this deployment."""
    token = deployment_id.set(identifier)
    try:
        yield
    finally:
        deployment_id.reset(token)
