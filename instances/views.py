"""The pages of instances."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from instances import queries
from instances.models import Instance
from portal.core import access
from portal.core.models import User
from portal.core.pages import PageRequest, page_by_name

SHOWN_ENVIRONMENTS = 100


@require_GET
def instance_list(request: PageRequest) -> HttpResponse:
    """The machines that this person's applications may run on."""
    page = page_by_name(queries.visible_instances(request.user), request.GET.get("after", ""))
    return render(request, "instances/instance_list.html", {"page": page})


@require_GET
def instance(request: PageRequest, name: str) -> HttpResponse:
    """One machine: its state, what was found there, and what runs on it."""
    found = queries.get_instance(request.user, name)
    facts = {
        key.replace("_", " "): value for key, value in sorted(found.facts.items()) if value not in ("", None)
    }
    context = {"instance": found, "facts": facts, "environments": _environments(found, request.user)}
    return render(request, "instances/instance_detail.html", context)


def _environments(found: Instance, user: User) -> list[Any]:
    """What the person's teams run there. Read through the relation: this app knows no deployments."""
    rows = found.environments.filter(
        application__deleted_at__isnull=True, application__team__in=access.teams_with(user, "application.see")
    )
    return list(rows.select_related("application", "live_release")[:SHOWN_ENVIRONMENTS])
