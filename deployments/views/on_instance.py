"""What runs on one instance, container by container, and making room there."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from deployments import queries
from deployments.actions import cleaning
from deployments.models import Deployment
from deployments.pipeline import places
from deployments.pipeline.runtimes.base import Container
from instances import queries as instance_queries
from instances.hosts.base import HostError
from instances.models import Instance
from portal.core.models import User
from portal.core.pages import PageRequest

MANAGED = {"portal.managed": "1"}


@dataclass(frozen=True)
class Row:
    """A container, what runs it, and the deployment that started it."""

    container: Container
    runtime: str
    deployment: Deployment

    @property
    def is_live(self) -> bool:
        return self.deployment.environment.live_container == self.container.name


@require_GET
@never_cache
def instance_containers(request: PageRequest, name: str) -> HttpResponse:
    """All containers of ours there; those of other teams are only counted."""
    instance = instance_queries.get_instance(request.user, name)
    found, troubles = _containers(instance)
    rows = _rows(request.user, found)
    context = {"instance": instance, "rows": rows, "others": len(found) - len(rows), "troubles": troubles}
    return render(request, "deployments/running_containers.html", context)


@require_http_methods(["GET", "POST"])
@never_cache
def instance_clean(request: PageRequest, name: str) -> HttpResponse:
    """How the last cleaning went, and the button for the next."""
    instance = instance_queries.get_instance(request.user, name)
    if request.method == "POST":
        cleaning.clean_host(instance=instance, by=request.user)
        messages.success(request, f"{instance} is being cleaned.")
        return redirect("instance-containers", name)
    context = {
        "instance": instance,
        "last": cleaning.last_cleaning(instance),
        "reason": cleaning.why_not_clean(request.user, instance),
        "loaded": True,
    }
    return render(request, "deployments/_clean_host.html", context)


def _containers(instance: Instance) -> tuple[list[tuple[str, Container]], list[str]]:
    """What each runtime knows; one that does not answer does not hide the other."""
    found: list[tuple[str, Container]] = []
    troubles = []
    try:
        runtimes = places.place_of(instance).runtimes
    except HostError as error:
        return [], [str(error)]
    for key, runtime in runtimes.items():
        try:
            found += [(key, container) for container in runtime.containers(MANAGED)]
        except HostError as error:
            troubles.append(f"{key}: {error}")
    return found, troubles


def _rows(user: User, found: Iterable[tuple[str, Container]]) -> list[Row]:
    """Those whose deployment this person may see; the name ends with its id."""
    by_id = {container.name.rpartition("-")[2]: (runtime, container) for runtime, container in found}
    deployments = queries.visible_deployments(user).filter(short_id__in=by_id)
    rows = [
        Row(by_id[each.short_id][1], by_id[each.short_id][0], each)
        for each in deployments.select_related("application", "environment__application")
    ]
    return sorted(rows, key=lambda row: row.container.name)
