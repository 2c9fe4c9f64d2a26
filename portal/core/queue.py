"""The way into the queue, for every app: now, or after a while."""

from collections.abc import Callable
from typing import Any

from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

Task = str | Callable[..., Any]


def enqueue(func: Task, *args: Any) -> int:
    """Have this function run as soon as a worker is free; inside a transaction, after its commit.

    Returns the number of the message, which `is_waiting` understands.
    """
    return enqueue_in(0, func, *args)


def enqueue_in(seconds: float, func: Task, *args: Any) -> int:
    """The same, but not before `seconds` have passed by the database's clock."""
    broker: Any = get_broker()
    broker.delay_seconds = seconds
    async_task(func, *args, broker=broker)
    number: int = broker.last_number
    return number


def is_waiting(number: int) -> bool:
    """Tell whether this message has not been worked off yet."""
    return bool(OrmQ.objects.filter(pk=number).exists())
