"""A worker for the length of one command, where none runs already."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

STOP_SECONDS = 40


@contextmanager
def worker(*, needed: bool) -> Iterator[None]:
    """Run `manage.py worker` meanwhile; what it deployed goes on without it."""
    if not needed:
        yield
        return
    process = subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        cwd=settings.BASE_DIR,
    )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=STOP_SECONDS)
