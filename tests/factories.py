"""Makes rows for tests: a person, a team, an application, a deployment in any state."""

import itertools
from typing import Any

from django.utils import timezone

from deployments.models import Application, Deployment, Environment, Release, Step
from deployments.pipeline import plans
from deployments.states import FINISHED, Status
from instances.actions import ensure_local_instance
from portal.core.models import Membership, Role, Team, User

_counter = itertools.count(1)


def team(name: str = "") -> Team:
    number = next(_counter)
    return Team.objects.create(name=name or f"Team {number}", slug=name.lower() or f"team-{number}")


def user(name: str = "", *, role: str | None = Role.ADMIN, of: Team | None = None, **fields: Any) -> User:
    """A person with a role in a team; `role=None` makes a stranger."""
    person = User.objects.create_user(
        name or f"person-{next(_counter)}", password="correct horse battery", **fields
    )
    if role is not None:
        Membership.objects.create(user=person, team=of or team(), role=role)
    return person


def portal_admin(name: str = "root") -> User:
    return User.objects.create_superuser(name, password="correct horse battery")


def application(name: str = "", *, of: Team | None = None, **fields: Any) -> Application:
    number = next(_counter)
    fields.setdefault("git_url", f"https://github.com/acme/app-{number}")
    fields.setdefault("repository", fields["git_url"])
    return Application.objects.create(name=name or f"app-{number}", team=of or team(), **fields)


def environment(of: Application | None = None, name: str = "dev", **fields: Any) -> Environment:
    fields.setdefault("instance", ensure_local_instance())
    return Environment.objects.create(application=of or application(), name=name, **fields)


def release(of: Environment, number: int = 1, **fields: Any) -> Release:
    defaults: dict[str, Any] = {
        "commit": "a" * 40, "runtime": "process", "image": f"portal/x:{number}", "container_port": 8000,
        "health_path": "/health", "memory_mb": 256, "cpus": 1, "proven": True,
    }  # fmt: skip
    return Release.objects.create(environment=of, number=number, **(defaults | fields))


def deployment_at(status: str = Status.QUEUED, *, of: Environment | None = None, **fields: Any) -> Deployment:
    """A deployment in a state, with the steps of its plan."""
    place = of or environment()
    place.application.last_number += 1
    place.application.save()
    now = timezone.now()
    defaults: dict[str, Any] = {
        "number": place.application.last_number,
        "source": "page",
        "due_at": None if status in FINISHED else now,
        "started_at": None if status == Status.QUEUED else now,
        "finished_at": now if status in FINISHED else None,
    }
    deployment = Deployment.objects.create(
        application=place.application,
        environment=place,
        instance=place.instance,
        status=status,
        **(defaults | fields),
    )
    Step.objects.bulk_create(
        Step(deployment=deployment, number=number, key=spec.key, title=spec.title)
        for number, spec in enumerate(plans.plan_for(deployment), start=1)
    )
    return deployment
