"""The rows of django-q2's table, in one statement each: the queue does little else all day.

Times are the database's, on both databases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django_q.conf import Conf
from django_q.models import OrmQ

TABLE = OrmQ._meta.db_table
CHANNEL = "portal_queue"


@dataclass(frozen=True)
class Dialect:
    """How a database says now, later, and `leave alone what somebody else is taking`."""

    now: str
    later: str
    skip_locked: str
    seconds_left: str
    # Rings within the statement that inserts; elsewhere the caller rings.
    ring: str
    # Joined to a statement whose loss in a crash only means one more delivery: its commit need not
    # wait for the disk.
    hurry: str


POSTGRESQL = Dialect(
    now="STATEMENT_TIMESTAMP()",
    later="STATEMENT_TIMESTAMP() + %s * INTERVAL '1 second'",
    skip_locked="FOR UPDATE OF message SKIP LOCKED",
    seconds_left="EXTRACT(EPOCH FROM MIN(lock) - STATEMENT_TIMESTAMP())",
    ring=f", pg_notify('{CHANNEL}', '')",
    hurry="(SELECT set_config('synchronous_commit', 'off', true)) AS hurry",
)
SQLITE = Dialect(
    now="STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",
    later="STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', %s || ' seconds')",
    skip_locked="",
    seconds_left="(JULIANDAY(MIN(lock)) - JULIANDAY('NOW')) * 86400",
    ring="",
    hurry="(SELECT 1) AS hurry",
)


def rings_itself() -> bool:
    """Tell whether `put` rings, or its caller must."""
    return bool(_dialect().ring)


def put(key: str, payload: str, *, delay_seconds: float) -> int:
    """Insert a message; return its number."""
    dialect = _dialect()
    insert = f"INSERT INTO {TABLE} (key, payload, lock) VALUES (%s, %s, {dialect.later}) RETURNING id"  # noqa: S608
    if dialect.ring:
        insert = f"WITH message AS ({insert}) SELECT id{dialect.ring} FROM message"  # noqa: S608
    number: int = _run(insert, [key, payload, delay_seconds])[0][0]
    return number


def claim(keys: Sequence[str], *, limit: int, seconds: float) -> list[tuple[int, str]]:
    """Take the messages that have been due for longest; for some time nobody else gets them."""
    dialect = _dialect()
    places = ", ".join(["%s"] * len(keys))
    # Materialized: the planner must not run the inner query once per row, which would lock more rows.
    statement = f"""
        WITH due AS MATERIALIZED (
            SELECT id FROM {TABLE} AS message, {dialect.hurry} WHERE key IN ({places}) AND lock <= {dialect.now}
            ORDER BY lock, id LIMIT %s {dialect.skip_locked}
        )
        UPDATE {TABLE} SET lock = {dialect.later} WHERE id IN (SELECT id FROM due) RETURNING id, payload
    """  # noqa: S608
    return sorted(_run(statement, [*keys, limit, seconds]))


def seconds_to_next(keys: Sequence[str]) -> float | None:
    """How long until the next message is due; None when there is none."""
    places = ", ".join(["%s"] * len(keys))
    found = _run(f"SELECT {_dialect().seconds_left} FROM {TABLE} WHERE key IN ({places})", keys)[0][0]  # noqa: S608
    return None if found is None else float(found)


def remove(number: int) -> None:
    """Delete a message."""
    with connections[Conf.ORM].cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {TABLE} WHERE id IN (SELECT %s FROM {_dialect().hurry})",  # noqa: S608
            [number],
        )


def _dialect() -> Dialect:
    return POSTGRESQL if connections[Conf.ORM].vendor == "postgresql" else SQLITE


def _run(statement: str, values: Sequence[Any]) -> list[Any]:
    with connections[Conf.ORM].cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
