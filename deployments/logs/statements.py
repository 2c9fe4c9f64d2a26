"""The two statements that every flush needs, written out: the ORM takes longer to build them than they take."""

from django.db import connection

from deployments.models import Deployment, LogChunk
from deployments.pipeline.claims import Claim, Stale

# Milliseconds since 1970 by the database's clock.
NOW = {
    "sqlite": "CAST((JULIANDAY('now') - 2440587.5) * 86400000 AS INTEGER)",
    "postgresql": "CAST(EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP()) * 1000 AS BIGINT)",
}
COUNT = """
    UPDATE {table} SET log_count = log_count + %s, log_bytes = log_bytes + %s
    WHERE id = %s AND fence = %s AND lease_owner = %s
    RETURNING log_count, log_bytes, {now}
"""
INSERT = """
    INSERT INTO {table} (deployment_id, step, first, count, sealed, body) VALUES (%s, %s, %s, %s, %s, %s)
"""


def count_lines(claim: Claim, lines: int, size: int) -> tuple[int, int, int]:
    """Take the next numbers under the fence; returns how many lines and bytes there are now, and the time."""
    sql = COUNT.format(table=Deployment._meta.db_table, now=NOW[connection.vendor])
    with connection.cursor() as cursor:
        cursor.execute(sql, [lines, size, claim.deployment_id, claim.fence, claim.owner])
        row = cursor.fetchone()
    if row is None:
        raise Stale
    return row[0], row[1], row[2]


def insert_chunk(claim: Claim, *, step: int, first: int, count: int, body: bytes) -> None:
    sql = INSERT.format(table=LogChunk._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(sql, [claim.deployment_id, step, first, count, False, body])
