"""Hears NOTIFY of PostgreSQL on a connection of its own."""

import contextlib
from typing import Any

import psycopg
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper


class NotifyListener:
    """Waits for one channel. Listens from the moment it is made; what was sent before is not heard."""

    def __init__(self, connection: BaseDatabaseWrapper, channel: str) -> None:
        self._wrapper: Any = connection.copy()
        self._wrapper.ensure_connection()
        with self._wrapper.cursor() as cursor:
            cursor.execute(f'LISTEN "{channel}"')

    def wait(self, timeout: float) -> bool:
        """Return True as soon as something was sent, False after the timeout."""
        try:
            return any(True for _ in self._wrapper.connection.notifies(timeout=timeout, stop_after=1))
        except psycopg.Error as error:
            raise OperationalError("The connection that listens was cut.") from error

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._wrapper.close()
