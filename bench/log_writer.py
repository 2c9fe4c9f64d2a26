"""Writes a log as a worker does, from a process of its own.

python -m bench.log_writer make                   a person with a token, and a running deployment; as JSON
python -m bench.log_writer write ID COUNT RATE    COUNT lines, RATE a second (0: as fast as possible)
python -m bench.log_writer finish ID              ends it
"""

import json
import os
import sys
import time
from typing import Any

import django

# Lines of about a hundred bytes, as in a real build.
TEXT = "line {number:07} at {moment:.6f} Collecting some-package==1.2.3 from a mirror of the index (12.3 MB)"
FLUSH_SECONDS = 0.025


def make() -> dict[str, Any]:
    """Make what a viewer needs."""
    from portal.core import tokens
    from tests import factories

    name = f"bench-{os.urandom(4).hex()}"
    team = factories.team(name)
    user = factories.user(name, of=team)
    _, text = tokens.create(user=user, name="bench", scopes=["read"], by=user)
    application = factories.application(name, of=team)
    deployment = factories.deployment_at(
        "running", of=factories.environment(application), lease_owner="bench", fence=1
    )
    return {
        "id": str(deployment.uuid),
        "short_id": deployment.short_id,
        "key": deployment.pk,
        "token": text.reveal(),
        "username": user.username,
    }


def write(key: int, count: int, rate: float) -> None:
    """Write lines in flushes, each with its own transaction and ring."""
    from django.db import transaction

    from deployments import logs
    from deployments.models import Deployment
    from deployments.pipeline.claims import Claim

    deployment = Deployment.objects.get(pk=key)
    claim = Claim(key, 1, "bench")
    written = 0
    began = time.monotonic()
    while written < count:
        due = count if not rate else min(count, int((time.monotonic() - began) * rate) + 1)
        lines = [("info", text_of(written + place)) for place in range(min(500, due - written))]
        if lines:
            with transaction.atomic():
                logs.append(claim, 1, lines)
            logs.ring(deployment)
            written += len(lines)
        if rate:
            time.sleep(FLUSH_SECONDS)


def text_of(number: int) -> str:
    return TEXT.format(number=number + 1, moment=time.time())


def finish(key: int) -> None:
    from django.utils import timezone

    from deployments import logs
    from deployments.models import Deployment

    Deployment.objects.filter(pk=key).update(
        status="succeeded", finished_at=timezone.now(), url="http://127.0.0.1/"
    )
    logs.ring(Deployment.objects.get(pk=key))


def main(arguments: list[str]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    django.setup()
    match arguments:
        case ["make", *count]:
            for _ in range(int(count[0]) if count else 1):
                print(json.dumps(make()))
        case ["write", key, count, rate]:
            write(int(key), int(count), float(rate))
        case ["finish", key]:
            finish(int(key))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
