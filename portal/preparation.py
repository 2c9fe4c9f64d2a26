"""What must be done before the portal starts: migrations, cache table, static files, first things."""

import fcntl
import hashlib
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connection

from portal import first_run
from portal.checks.services import unapplied_migrations

logger = logging.getLogger(__name__)

LOCK_SECONDS = 300.0
# Any number will do, as long as all of us use the same.
ADVISORY_LOCK = 7204418


class NotPrepared(Exception):
    """The portal must not start like this; the text says what to do."""


def prepare(*, migrate: bool) -> str | None:
    """Bring everything up to date; starts at the same time do it once, one after the other.

    Returns the administrator's password when this was the first start.
    """
    with _alone():
        _migrate(allowed=migrate or connection.vendor == "sqlite")
        if not settings.REDIS_URL:
            call_command("createcachetable", verbosity=0)
        collect_static()
        return first_run.ensure_first_things()


def collect_static() -> bool:
    """Collect the static files when one of them has changed; tell whether that was so."""
    stamp = settings.DATA_DIR / "static.stamp"
    wanted = _fingerprint()
    if settings.STATIC_ROOT.is_dir() and stamp.exists() and stamp.read_text() == wanted:
        return False
    # Cleared first: by itself it keeps a file whose source became older, as by going back in Git.
    call_command("collectstatic", interactive=False, clear=True, verbosity=0)
    stamp.write_text(wanted)
    return True


def _migrate(*, allowed: bool) -> None:
    missing = unapplied_migrations()
    if not missing:
        return
    if not allowed:
        raise NotPrepared(
            f"{len(missing)} migrations are not applied. Run `manage.py migrate`, or start with --migrate."
        )
    call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _alone() -> Iterator[None]:
    """One start at a time: on this machine by a file, across machines by the database."""
    with (settings.DATA_DIR / "run" / "prepare.lock").open("w") as file:
        _lock(file.fileno())
        if connection.vendor != "postgresql":
            yield
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _lock(descriptor: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                raise NotPrepared("Another start has been preparing the portal for too long.") from error
            time.sleep(0.1)


def _fingerprint() -> str:
    """Changes with every static file that is added, changed or removed."""
    digest = hashlib.sha256(f"{settings.VERSION} {settings.DEBUG}".encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = os.stat(storage.path(name))  # noqa: PTH116  (thousands of files; Path is slower)
            digest.update(f"{name}\0{found.st_mtime_ns}\0{found.st_size}\n".encode())
    return digest.hexdigest()
