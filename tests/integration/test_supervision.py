"""What the worker's supervisor decides, what a start prepares, and what the first one makes."""

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.utils import timezone
from django_q.models import OrmQ

from deployments.models import Deployment, Environment
from instances.models import Instance
from portal import first_run, preparation
from portal import tasks as portal_tasks
from portal.core import heartbeat, pulse
from portal.core.clock import now_plus
from portal.core.models import AuditEvent, Heartbeat, IdempotentRequest, Membership
from portal.supervisor.cluster import QueueProcesses
from portal.supervisor.probe import Probe
from portal.supervisor.prompts import Prompts
from tests import factories

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

PAST = timedelta(seconds=-5)
FUTURE = timedelta(seconds=60)


def tasks() -> list[str]:
    return [row.task["func"] for row in OrmQ.objects.order_by("pk")]


def look(prompts: Prompts) -> list[str]:
    """Look now, whenever the last look was; the tasks that wait afterwards."""
    prompts._looked_at = 0.0
    prompts.look_if_due()
    return tasks()


@pytest.fixture
def deployment() -> Deployment:
    return factories.deployment_at("running", due_at=None)


def change(deployment: Deployment, **fields: Any) -> None:
    Deployment.objects.filter(pk=deployment.pk).update(**fields)


@pytest.fixture(autouse=True)
def house_is_kept(db: None) -> None:
    for name in ("housekeeping", "sweep", "sweep of containers"):
        heartbeat.beat(name)


def test_a_due_deployment_that_nobody_works_on_is_rung_for_once(deployment: Deployment) -> None:
    prompts = Prompts()
    assert look(prompts) == []
    change(deployment, due_at=now_plus(PAST))
    assert look(prompts) == ["deployments.tasks.work"]
    assert look(prompts) == ["deployments.tasks.work"]
    OrmQ.objects.all().delete()
    assert look(prompts) == ["deployments.tasks.work"]


def test_a_deployment_that_somebody_works_on_is_left_to_him(deployment: Deployment) -> None:
    change(deployment, due_at=now_plus(PAST), lease_owner="w", lease_until=now_plus(FUTURE))
    assert look(Prompts()) == []
    change(deployment, lease_until=now_plus(PAST))
    assert look(Prompts()) == ["deployments.tasks.work"]


def test_the_house_is_kept_once_a_day(settings: Any) -> None:
    Heartbeat.objects.filter(name="housekeeping").delete()
    assert look(Prompts()) == ["portal.tasks.housekeeping"]
    OrmQ.objects.all().delete()
    person = factories.user()
    old = IdempotentRequest.objects.create(user=person, key="old", path="/", body_digest="x")
    new = IdempotentRequest.objects.create(user=person, key="new", path="/", body_digest="x")
    IdempotentRequest.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=2))
    portal_tasks.housekeeping()
    assert list(IdempotentRequest.objects.all()) == [new]
    assert look(Prompts()) == []


def test_an_environment_is_looked_at_when_its_check_is_due(deployment: Deployment) -> None:
    Environment.objects.update(next_check_at=now_plus(FUTURE))
    assert look(Prompts()) == []
    Environment.objects.update(next_check_at=now_plus(PAST))
    assert look(Prompts()) == ["deployments.tasks.watch_due"]


def test_a_canary_is_late_when_nothing_came_through(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    now = time.monotonic()
    monkeypatch.setattr("portal.supervisor.probe.time.monotonic", lambda: now)
    probe = Probe("host 1")
    probe.send_if_due()
    assert not probe.is_late()
    now += settings.CANARY_LIMIT_SECONDS + 1
    assert probe.is_late()
    monkeypatch.setattr(pulse, "last_work", lambda: now - 1)
    assert not probe.is_late()


def test_canaries_are_sent_at_intervals_and_cleared(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    now = time.monotonic()
    monkeypatch.setattr("portal.supervisor.probe.time.monotonic", lambda: now)
    probe = Probe("host 1")
    for _ in range(3):
        probe.send_if_due()
    assert tasks() == ["portal.tasks.canary"]
    now += settings.CANARY_SECONDS
    probe.send_if_due()
    assert len(tasks()) == 2
    OrmQ.objects.create(key="probe of a dead worker", payload="x", lock=now_plus(timedelta(days=-2)))
    OrmQ.objects.create(key="portal", payload="x", lock=now_plus(timedelta(days=-2)))
    probe.remove_messages()
    assert [row.key for row in OrmQ.objects.all()] == ["portal"]


def test_what_a_killed_queue_had_fetched_is_given_back_once() -> None:
    row = OrmQ.objects.create(key="portal", payload="x", lock=now_plus(FUTURE))
    queue = QueueProcesses("probe")
    pulse.note_fetched(row.pk)
    assert queue.release_messages() == 1
    assert OrmQ.objects.filter(lock__lte=now_plus(timedelta(seconds=1))).exists()
    pulse.note_fetched(row.pk)
    assert queue.release_messages() == 0
    assert pulse.held() == []


def test_the_first_start_makes_an_administrator_whose_password_works() -> None:
    password = first_run.ensure_first_things()
    assert password is not None
    assert len(password) >= 20
    user = authenticate(username="admin", password=password)
    assert user is not None
    assert Membership.objects.get(user=user).role == "admin"
    assert Instance.objects.get().kind == "local"
    assert password not in str(list(AuditEvent.objects.values()))


def test_later_starts_make_nothing_and_show_nothing() -> None:
    factories.user("somebody")
    assert first_run.ensure_first_things() is None
    assert authenticate(username="admin", password="admin") is None


def test_the_box_is_a_box() -> None:
    lines = first_run.box("s3cret", "http://127.0.0.1:8000/").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert any("s3cret" in line for line in lines)


def test_missing_migrations_are_only_applied_where_that_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "unapplied_migrations", lambda: ["core.0002_more"])
    with pytest.raises(preparation.NotPrepared, match="manage.py migrate"):
        preparation._migrate(allowed=False)


def test_static_files_are_collected_when_one_has_changed(settings: Any, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.STATIC_ROOT = tmp_path / "data" / "static"
    settings.STATICFILES_DIRS = [tmp_path / "source"]
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.DATA_DIR.mkdir()
    (tmp_path / "source").mkdir()
    page = tmp_path / "source" / "page.css"
    page.write_text("a {}")
    assert preparation.collect_static()
    assert not preparation.collect_static()
    page.write_text("b { color: red }")
    assert preparation.collect_static()
    assert (settings.STATIC_ROOT / "page.css").read_text() == "b { color: red }"
