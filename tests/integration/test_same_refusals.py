"""Pages, API and admin refuse the same input in the same words, and keep nothing of it."""

from typing import Any

import pytest

from instances.models import Instance
from instances.states import Kind, Status
from portal.core.models import Membership, Role
from tests import factories
from tests.e2e.hostile_inputs import PORTS, REFUSED
from tests.e2e.surfaces import Surfaces

pytestmark = pytest.mark.django_db

# The whole list is held against a live server in tests/e2e/test_cloud_hostile.py.
CASES = [
    pytest.param(*key, value, id=f"{'-'.join(key)}-{number}")
    for key, values in REFUSED.items()
    for number, value in enumerate(values if values is PORTS else values[-4:])
]


@pytest.fixture
def surfaces(settings: Any) -> Surfaces:
    """An application in an environment on a server, and its administrator."""
    settings.GIT_ALLOWED_HOSTS = ["github.com"]
    team = factories.team("Data")
    person = factories.portal_admin("admin")
    Membership.objects.create(user=person, team=team, role=Role.ADMIN)
    application = factories.application("hello", of=team, git_url="https://github.com/acme/hello")
    box = Instance.objects.create(
        name="box", kind=Kind.SERVER, status=Status.RUNNING, ssh_host="10.0.0.5", address="10.0.0.5",
        host_keys=["ssh-ed25519 AAAA"],
    )  # fmt: skip
    factories.environment(application, instance=box)
    return Surfaces("hello", "box")


@pytest.mark.parametrize(("noun", "field", "value"), CASES)
def test_each_surface_refuses_alike(surfaces: Surfaces, noun: str, field: str, value: Any) -> None:
    said, left = surfaces.try_and_look(noun, field, value)
    assert left == []
    assert all(said.values()), said
    assert all(set(said["form"]) <= set(sentences) for sentences in said.values()), said
