"""A reboot drains the machine first, waits for it, and lets it take deployments again."""

from typing import Any

import pytest

from deployments.states import Status as DeploymentStatus
from instances import rebooting
from instances.hosts.base import HostError, Result
from instances.models import Instance
from instances.states import Kind, Status
from portal.core.models import AuditEvent
from tests import factories

pytestmark = pytest.mark.django_db


class Box:
    """A server that has a boot id, and none while it is away."""

    def __init__(self) -> None:
        self.boots = ["first"]
        self.commands: list[list[str]] = []

    def call(self, argv: list[str], *, input: bytes = b"", timeout: float = 10) -> Result:
        if not self.boots:
            raise HostError("It does not answer.")
        self.commands.append(list(argv))
        return Result(0, self.boots[0] + "\n", "")


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Box:
    box = Box()
    monkeypatch.setattr(rebooting, "host_of", lambda instance: box)
    return box


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What is to be called later, instead of waiting for it."""
    calls: list[tuple[str, Any]] = []
    monkeypatch.setattr(
        rebooting, "enqueue_in", lambda seconds, name, *arguments: calls.append((name, arguments))
    )
    return calls


def go_on(later: list[tuple[str, Any]]) -> None:
    name, arguments = later.pop(0)
    getattr(rebooting, name.rpartition(".")[2])(*arguments)


def server() -> Instance:
    return Instance.objects.create(
        name="box",
        kind=Kind.SERVER,
        status=Status.RUNNING,
        ssh_host="10.0.0.5",
        host_keys=["ssh-ed25519 AAAA"],
    )


def test_deployments_under_way_are_waited_for_and_new_ones_refused(box: Box, later: list[Any]) -> None:
    instance = server()
    environment = factories.environment(instance=instance)
    running = factories.deployment_at(DeploymentStatus.RUNNING, of=environment)
    rebooting.reboot(str(instance.uuid))
    instance.refresh_from_db()
    assert instance.draining
    assert box.commands == []
    running.delete()
    go_on(later)
    assert box.commands[-1][:2] == ["systemctl", "reboot"]


def test_it_takes_deployments_again_once_it_has_booted_anew(box: Box, later: list[Any]) -> None:
    instance = server()
    rebooting.reboot(str(instance.uuid))
    go_on(later)  # still the same boot
    box.boots.clear()
    go_on(later)  # away
    instance.refresh_from_db()
    assert instance.draining
    box.boots.append("second")
    go_on(later)
    instance.refresh_from_db()
    assert not instance.draining
    assert later == []
    assert AuditEvent.objects.filter(action="instance.rebooted").count() == 1


def test_one_that_somebody_drained_stays_drained(box: Box, later: list[Any]) -> None:
    instance = server()
    Instance.objects.update(draining=True)
    rebooting.reboot(str(instance.uuid))
    box.boots[0] = "second"
    go_on(later)
    instance.refresh_from_db()
    assert instance.draining


def test_one_that_never_comes_back_says_so(
    box: Box, later: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = server()
    rebooting.reboot(str(instance.uuid))
    monkeypatch.setattr(rebooting, "BACK_SECONDS", 0)
    box.boots.clear()
    go_on(later)
    instance.refresh_from_db()
    assert "did not come back" in instance.trouble
