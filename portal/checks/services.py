"""Does the portal work? Database, queue, worker, messages and storage; asked by the health addresses too."""

import shutil
import tempfile
import time

import redis
from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import DurationField, ExpressionWrapper, F
from django.db.models.functions import Now
from django_q.models import OrmQ

from portal.broker import AHEAD
from portal.checks.base import Broken, question
from portal.core import heartbeat
from portal.core.clock import now_plus
from portal.tasks import CANARY

# A message that waits longer than this means that the workers cannot keep up.
LONGEST_QUEUE_SECONDS = 180
FREE_BYTES = 1024**3
REDIS_TIMEOUT_SECONDS = 1.0

# Applied migrations stay applied; asking each time would read all migration files' state again.
MIGRATIONS_KNOWN_SECONDS = 60.0
_migrations_good_until = 0.0


@question("database", code=10)
def database() -> str:
    try:
        connection.ensure_connection()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (DatabaseError, InterfaceError) as error:
        connection.close()
        raise Broken(
            "The database does not answer.", "Is it running, and is DATABASE_URL right? Its log says more."
        ) from error
    return f"{connection.display_name} answers."


@question("migrations", code=11, needs=("database",))
def migrations() -> str:
    global _migrations_good_until
    if time.monotonic() > _migrations_good_until:
        missing = unapplied_migrations()
        if missing:
            raise Broken(
                f"{len(missing)} migrations are not applied, the first is {missing[0]}.",
                "Run: manage.py migrate",
            )
        _migrations_good_until = time.monotonic() + MIGRATIONS_KNOWN_SECONDS
    return "All migrations are applied."


def unapplied_migrations() -> list[str]:
    """The names of the migrations that the code has and the database has not."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{migration.app_label}.{migration.name}" for migration, _ in plan]


@question("cache", code=12, needs=("database", "redis"))
def cache_table() -> str:
    try:
        cache.get("portal.checks")
    except (DatabaseError, redis.RedisError, OSError) as error:
        fix = "Look at Redis." if settings.REDIS_URL else "Run: manage.py createcachetable"
        raise Broken("The cache does not answer.", fix) from error
    return "The cache answers."


@question("queue", code=13, needs=("database", "migrations"))
def queue() -> str:
    # Probes carry a time in the past, so that they go first: they tell nothing about waiting.
    waiting = OrmQ.objects.filter(lock__lte=Now(), lock__gt=now_plus(AHEAD / 2)).order_by("lock")
    age = ExpressionWrapper(Now() - F("lock"), output_field=DurationField())
    oldest = waiting.annotate(age=age).values_list("age", flat=True).first()
    if oldest is None:
        return "No message waits."
    seconds = oldest.total_seconds()
    if seconds > LONGEST_QUEUE_SECONDS:
        raise Broken(
            f"The oldest message has waited for {seconds:.0f} s.",
            "Is a worker running (manage.py worker)? If it is, raise PORTAL_WORKERS.",
        )
    return f"{waiting.count()} messages wait, the oldest for {seconds:.0f} s."


@question("worker", code=14, needs=("database", "migrations"))
def worker() -> str:
    age = heartbeat.age(CANARY)
    fix = "Start it with `manage.py worker` (or `manage.py up`); its log says why it stopped."
    if age is None:
        raise Broken("No worker has ever run a task.", fix)
    if age > settings.CANARY_LIMIT_SECONDS:
        raise Broken(f"The last sign of life of a worker is {age:.0f} s old.", fix)
    return f"A task went through the queue {age:.0f} s ago."


@question("redis", code=15)
def redis_server() -> str:
    if not settings.REDIS_URL:
        return "Not used."
    client = redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_TIMEOUT_SECONDS,
        socket_connect_timeout=REDIS_TIMEOUT_SECONDS,
    )
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        raise Broken("Redis does not answer.", "Is it running, and is REDIS_URL right?") from error
    finally:
        client.close()
    return "Redis answers."


@question("channel layer", code=16, needs=("redis",))
def channel_layer() -> str:
    return "Messages go through Redis." if settings.REDIS_URL else "Messages stay on this machine."


@question("storage", code=17)
def storage() -> str:
    folder = settings.DATA_DIR
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".check-") as file:
            file.write(b"check")
            file.flush()
    except OSError as error:
        raise Broken(
            f"{folder} cannot be written.",
            "Its owner must be the user who runs the portal, or its disk is full.",
        ) from error
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise Broken(
            f"Only {free // 1024**2} MB are free in {folder}.",
            "Make room: less than 1 GB breaks deployments.",
        )
    return f"{free / 1024**3:.0f} GB are free."


SERVICES = [database, migrations, redis_server, cache_table, queue, worker, channel_layer, storage]
