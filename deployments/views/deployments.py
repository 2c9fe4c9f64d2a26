"""The list of deployments, and the page of one with its buttons."""

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from deployments import actions, listing, queries
from deployments.actions import Started
from deployments.models import Deployment
from deployments.states import FINISHED, UNFINISHED, Status
from deployments.views.live import Live
from portal.core.models import User
from portal.core.pages import PageRequest, page_by_id

FILTERS: dict[str, tuple[str, tuple[Status, ...]]] = {
    "": ("All", ()),
    "active": ("Under way", UNFINISHED),
    "succeeded": ("Succeeded", (Status.SUCCEEDED,)),
    "failed": ("Failed", (Status.FAILED, Status.ROLLED_BACK)),
    "cancelled": ("Cancelled", (Status.CANCELLED,)),
}


@require_GET
def deployment_list(request: PageRequest) -> HttpResponse:
    """All deployments of the person's teams, newest first."""
    rows = listing.candidates(request.user, application=request.GET.get("application", ""))
    keys = page_by_id(_filtered(rows, request).only("id"), request.GET.get("after", ""))
    page = replace(keys, rows=listing.in_full([row.pk for row in keys.rows]))
    context = {
        "page": page,
        "filters": [(key, label) for key, (label, _) in FILTERS.items()],
        "status": request.GET.get("status", ""),
        "application": request.GET.get("application", ""),
        "q": request.GET.get("q", ""),
        "moving": any(row.status not in FINISHED for row in page.rows),
    }
    fragment = request.headers.get("HX-Target") == "deployment-list"
    return render(
        request, "deployments/_list.html" if fragment else "deployments/deployment_list.html", context
    )


def _filtered(rows: QuerySet[Deployment], request: PageRequest) -> QuerySet[Deployment]:
    wanted = request.GET.get("status", "")
    if wanted in FILTERS and FILTERS[wanted][1]:
        rows = rows.filter(status__in=FILTERS[wanted][1])
    if text := request.GET.get("q", "").strip()[:100]:
        match = (
            Q(application__name__icontains=text)
            | Q(short_id__startswith=text.lower())
            | Q(commit__startswith=text.lower())
        )
        number = text.removeprefix("#")
        if number.isascii() and number.isdigit() and len(number) < 9:
            match |= Q(number=int(number))
        rows = rows.filter(match)
    return rows


@require_GET
def deployment(request: PageRequest, identifier: str) -> HttpResponse:
    """One deployment: steps, log, and how it ended."""
    found = queries.get_deployment(request.user, identifier)
    return render(request, "deployments/deployment_detail.html", _shown(request.user, found))


@require_GET
def deployment_steps(request: PageRequest, identifier: str) -> HttpResponse:
    """The part of the page that changes; nothing when it is as the browser has it."""
    found = queries.get_deployment(request.user, identifier)
    context = _shown(request.user, found)
    if request.GET.get("seen") == context["live"].version:
        return HttpResponse(status=204)
    return render(request, "deployments/_steps.html", context)


def _shown(user: User, found: Deployment) -> dict[str, Any]:
    return {"deployment": found, "live": Live(user, found)}


@require_POST
def deployment_cancel(request: PageRequest, identifier: str) -> HttpResponse:
    """Stop it."""
    found = queries.get_deployment(request.user, identifier)
    actions.cancel(deployment=found, by=request.user)
    messages.success(request, f"{found} is being cancelled.")
    return redirect(found)


@require_POST
def deployment_retry(request: PageRequest, identifier: str) -> HttpResponse:
    """Try again what failed."""
    found = queries.get_deployment(request.user, identifier)
    return follow(request, actions.retry(deployment=found, by=request.user), "tries again")


@require_POST
def deployment_redeploy(request: PageRequest, identifier: str) -> HttpResponse:
    """Put its release there once more."""
    found = queries.get_deployment(request.user, identifier)
    return follow(request, actions.redeploy(deployment=found, by=request.user), "puts the same release there")


@require_POST
def deployment_rollback(request: PageRequest, identifier: str) -> HttpResponse:
    """Bring back what was live in its environment before."""
    found = queries.get_deployment(request.user, identifier)
    return follow(
        request, actions.rollback(environment=found.environment, by=request.user), "brings a release back"
    )


def follow(request: PageRequest, started: Started, what: str) -> HttpResponse:
    """Go to the deployment that was started, or to the one that was under way already."""
    text = (
        f"{started.deployment} {what}." if started.created else f"{started.deployment} was under way already."
    )
    messages.success(request, text)
    return redirect(started.deployment)
