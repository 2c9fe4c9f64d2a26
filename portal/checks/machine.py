"""Is this machine fit for the portal, and is the portal safe on it? Asked by `doctor` and its page."""

import importlib.util
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import models
from django.utils import timezone

from deployments.pipeline.runtimes import docker
from instances.hosts.base import HostError
from instances.hosts.local import LocalHost
from portal import bootstrap
from portal.checks.base import Broken, question
from portal.core.clock import database_now
from portal.core.fields import Sealed
from portal.core.models import SealedRow
from portal.core.secrets import CannotOpen
from portal.supervisor import records

MAX_SKEW_SECONDS = 5.0
# How many sealed values per column are opened, from the oldest and from the newest on.
SAMPLE = 20
PRIVATE_FILES = ("secret_key", "field_key", "portal.sqlite3")


@question("git", code=20)
def git() -> str:
    fix = "Install it: apt-get install git"
    if not shutil.which("git"):
        raise Broken("git is not installed.", fix)
    try:
        result = _this_machine().call(["git", "--version"], timeout=5)
    except HostError as error:
        raise Broken("git does not answer.", fix) from error
    if not result.ok:
        raise Broken("git does not run.", fix)
    return f"{result.out.strip()}."


@question("runtime", code=21)
def runtime() -> str:
    engine = docker.available(_this_machine())
    if engine is not None:
        return "A Docker engine answers: applications run in containers."
    if settings.LOCAL_RUNTIME == "docker":
        raise Broken(
            "No Docker engine answers, but PORTAL_LOCAL_RUNTIME is docker.",
            "Start the engine, give this user access to its socket, or set PORTAL_LOCAL_RUNTIME=auto.",
        )
    return "No Docker engine answers: applications run as processes."


@question("virtual environments", code=22)
def virtual_environments() -> str:
    if importlib.util.find_spec("ensurepip") or importlib.util.find_spec("virtualenv"):
        return "Applications can get a virtual environment of their own."
    raise Broken("Python cannot make virtual environments.", "Install it: apt-get install python3-venv")


@question("clock", code=23, needs=("database",))
def clock() -> str:
    skew = abs((database_now() - timezone.now()).total_seconds())
    if skew > MAX_SKEW_SECONDS:
        raise Broken(
            f"The clocks of this machine and of the database differ by {skew:.0f} s.",
            "Let both follow a time server: timedatectl set-ntp true",
        )
    return "This machine and the database agree on the time."


@question("field keys", code=24, needs=("database", "migrations"))
def field_keys() -> str:
    opened = 0
    for row, field in _sealed_values():
        try:
            field.__get__(row, type(row))
            opened += 1
        except CannotOpen as error:
            raise Broken(
                f"A stored secret ({row._meta.verbose_name} {row.pk}) cannot be opened with the keys given.",
                "Put the key back that sealed it: PORTAL_FIELD_KEYS, or the file field_key in the data directory.",
            ) from error
    return f"All of {opened} stored secrets looked at can be opened."


@question("permissions", code=25)
def permissions() -> str:
    folder: Path = settings.DATA_DIR
    if stat.S_IMODE(folder.stat().st_mode) & 0o022:
        raise Broken(f"Others may write to {folder}.", f"Run: chmod 711 {folder}")
    for name in PRIVATE_FILES:
        path = folder / name
        if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Broken(f"Others may read {path}.", f"Run: chmod 600 {path}")
    return "Only the portal's own user may read its keys and its database."


@question("exposure", code=26)
def exposure() -> str:
    if bootstrap.is_loopback(settings.HOST):
        return f"The portal listens on {settings.HOST}: this machine only."
    if not settings.SECURE_COOKIES:
        raise Broken(
            f"The portal listens on {settings.HOST} without HTTPS: passwords cross the network readable.",
            "Put a proxy with a certificate in front and set PORTAL_HTTPS=1, or set HOST=127.0.0.1.",
        )
    return f"The portal listens on {settings.HOST}, behind HTTPS."


@question("left-over processes", code=27)
def left_over_processes() -> str:
    orphans = [
        each for _, record in records.left_behind(settings.DATA_DIR / "run") for each in record.orphans()
    ]
    if orphans:
        numbers = ", ".join(str(process.pid) for process in orphans)
        raise Broken(
            f"Processes of a worker that was killed still run: {numbers}.",
            "Start a worker: it ends them first. Or end them: kill " + numbers.replace(",", ""),
        )
    return "No process of an earlier worker is left."


def _this_machine() -> LocalHost:
    return LocalHost(settings.DATA_DIR / "host")


def _sealed_values() -> Iterator[tuple[models.Model, Sealed]]:
    """Some rows of every column that keeps secrets: the oldest and the newest."""
    for model in apps.get_models():
        if not issubclass(model, SealedRow):
            continue
        for field in [value for value in vars(model).values() if isinstance(value, Sealed)]:
            rows = model._default_manager.exclude(**{field.column: ""})
            ends = [*rows.order_by("pk")[:SAMPLE], *rows.order_by("-pk")[:SAMPLE]]
            for row in {row.pk: row for row in ends}.values():
                yield row, field


MACHINE = [
    git,
    runtime,
    virtual_environments,
    clock,
    field_keys,
    permissions,
    exposure,
    left_over_processes,
]
