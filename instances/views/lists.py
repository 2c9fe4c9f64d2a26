"""The list of machines, and what only one side knows of."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from instances import actions, costs, listing, queries, rules
from instances.buttons import power_buttons
from instances.listing import Stray
from instances.models import Instance
from portal.core import access
from portal.core.buttons import Button
from portal.core.errors import ActionDenied
from portal.core.models import Team, User
from portal.core.pages import PageRequest, page_by_name

SOURCES = {"merged": "All", "db": "Portal", "aws": "AWS"}


@dataclass(frozen=True)
class Row:
    """An instance with what the list shows beside it."""

    instance: Instance
    price: costs.Price | None
    source: str
    match: bool | None
    buttons: list[Button]


@require_GET
def instance_list(request: PageRequest) -> HttpResponse:
    """The machines that this person's applications may run on, and what AWS says of them."""
    source = request.GET.get("source", "merged")
    source = source if source in SOURCES else "merged"
    page = page_by_name(queries.of_source(request.user, source), request.GET.get("after", ""))
    context = {
        "page": page,
        "rows": [_row(request.user, instance) for instance in page.rows],
        "total": listing.total_per_hour(page.rows),
        "strays": [] if source == "db" else strays_of(request.user),
        "source": source,
        "sources": SOURCES,
        "may_sync": rules.may_see_orphans(request.user),
        "may_add": may_add(request.user),
    }
    fragment = request.headers.get("HX-Target") == "instance-list"
    template = "instances/_instance_list.html" if fragment else "instances/instance_list.html"
    return render(request, template, context)


@require_POST
def instance_sync(request: PageRequest) -> HttpResponse:
    """Have AWS and the servers looked at now."""
    count = actions.sync(by=request.user)
    noun = "machine" if count == 1 else "machines"
    messages.success(request, f"{count} {noun} of AWS are being looked at; what has changed appears here.")
    return redirect("instances")


@require_POST
def orphan_adopt(request: PageRequest, identifier: str) -> HttpResponse:
    """Take a machine over."""
    orphan = queries.get_orphan(request.user, identifier)
    team = _team(request)
    try:
        made = actions.adopt(orphan=orphan, by=request.user, name=request.POST.get("name", ""), team=team)
    except ValidationError as error:
        raise ActionDenied(" ".join(error.messages), code="invalid") from None
    messages.success(
        request, f"{made} is taken over. Confirm its fingerprint, so that the portal may connect."
    )
    return redirect(made)


@require_POST
def orphan_delete(request: PageRequest, identifier: str) -> HttpResponse:
    """Have it deleted."""
    orphan = queries.get_orphan(request.user, identifier)
    try:
        actions.delete_orphan(orphan=orphan, by=request.user, confirm=request.POST.get("confirm", ""))
    except ValidationError as error:
        raise ActionDenied(" ".join(error.messages), code="not_confirmed") from None
    messages.success(request, f"{orphan} is being deleted.")
    return redirect("instances")


def strays_of(user: User) -> list[Stray]:
    """The orphans that this person may know of."""
    return [Stray(orphan, listing.per_day(orphan)) for orphan in queries.visible_orphans(user)]


def may_add(user: User) -> bool:
    return user.is_superuser or access.teams_with(user, "instance.create").exists()


def _row(user: User, instance: Instance) -> Row:
    return Row(
        instance,
        costs.price(instance),
        listing.source_of(instance),
        listing.state_match(instance),
        power_buttons(user, instance),
    )


def _team(request: PageRequest) -> Team | None:
    """The team that was named; without one, the only one of a person who is no portal admin."""
    teams = access.teams_with(request.user, "instance.manage")
    slug = request.POST.get("team", "")
    if slug:
        return teams.filter(slug=slug).first()
    return None if request.user.is_superuser else teams.order_by("name").first()
