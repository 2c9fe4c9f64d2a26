"""The page of one machine, and what can be done with it."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from instances import actions, checks, costs, graphs, listing, queries, rules
from instances.buttons import detail_buttons
from instances.forms import SettingsForm
from instances.hosts.keys import fingerprint
from instances.models import Instance
from instances.states import Status
from portal.core import access
from portal.core.models import User
from portal.core.pages import PageRequest

SHOWN_ENVIRONMENTS = 100
# The checks say these in words.
SHOWN_ELSEWHERE = {
    "os_id", "os_name", "family", "arch", "cpus", "memory_mb", "swap_mb", "disk_free_mb", "disk_total_mb",
    "docker", "nginx", "git",
}  # fmt: skip
MOVING = {Status.PENDING, Status.STOPPING, Status.TERMINATING}


@require_GET
def instance(request: PageRequest, name: str) -> HttpResponse:
    """One machine: its state, what was found there, what runs on it, what was done to it."""
    found = queries.get_instance(request.user, name)
    if request.headers.get("HX-Target") == "instance-state":
        return render(request, "instances/_state.html", _state(request.user, found))
    return show(request, found)


def show(request: PageRequest, found: Instance, status: int = 200, **more: Any) -> HttpResponse:
    """The whole page; `more` are forms with errors and the answers of what was just done."""
    user = request.user
    manages = rules.can_manage(user, found)
    context = _state(user, found) | {
        "environments": _environments(found, user),
        "graphs": graphs.graphs_of(queries.last_hour(found)),
        "checks": checks.of_facts(found.facts),
        "facts": _facts(found),
        "events": queries.history(found) if manages else [],
        "manages": manages,
        "why_not_manage": rules.why_not(rules.check_can_manage, user, found),
        "why_not_validate": rules.why_not(rules.check_can_validate, user, found),
        "why_not_terminate": rules.why_not(rules.check_can_terminate, user, found),
        "why_not_forget": rules.why_not(rules.check_can_forget, user, found),
        "settings_form": SettingsForm(instance=found, jumps=queries.jump_hosts(user)) if manages else None,
        **_keys(user, found),
    }
    return render(request, "instances/instance_detail.html", context | more, status=status)


@require_POST
def instance_settings(request: PageRequest, name: str) -> HttpResponse:
    """Change its limits, how it is reached, or when it runs."""
    found = queries.get_instance(request.user, name)
    form = SettingsForm(request.POST, instance=found, jumps=queries.jump_hosts(request.user))
    if form.is_valid():
        try:
            actions.update_instance(instance=found, by=request.user, **form.changes())
        except ValidationError as error:
            form.take_errors(error)
            found = queries.get_instance(request.user, name)
        else:
            messages.success(request, "Saved.")
            return redirect(found)
    return show(request, found, settings_form=form, status=422)


@require_POST
def instance_start(request: PageRequest, name: str) -> HttpResponse:
    """Start it."""
    found = actions.start(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "is being started.")


@require_POST
def instance_stop(request: PageRequest, name: str) -> HttpResponse:
    """Stop it."""
    found = actions.stop(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "is being stopped.")


@require_POST
def instance_reboot(request: PageRequest, name: str) -> HttpResponse:
    """Restart its operating system."""
    found = actions.reboot(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "is being rebooted.")


@require_POST
def instance_create(request: PageRequest, name: str) -> HttpResponse:
    """Have it made at once."""
    found = actions.create_now(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "is being made.")


@require_POST
def instance_drain(request: PageRequest, name: str) -> HttpResponse:
    """Take no new deployments."""
    found = actions.drain(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "takes no new deployments. What runs there goes on.")


@require_POST
def instance_undrain(request: PageRequest, name: str) -> HttpResponse:
    """Take deployments again."""
    found = actions.undrain(instance=queries.get_instance(request.user, name), by=request.user)
    return _done(request, found, "takes deployments again.")


@require_http_methods(["GET", "POST"])
def instance_terminate(request: PageRequest, name: str) -> HttpResponse:
    """Show what dies with it; end it once its name was typed."""
    found = queries.get_instance(request.user, name)
    rules.check_can_terminate(request.user, found)
    error = ""
    if request.method == "POST":
        try:
            actions.terminate(instance=found, by=request.user, confirm=request.POST.get("confirm", ""))
        except ValidationError as refusal:
            error = " ".join(refusal.messages)
        else:
            return _done(request, found, "is being terminated.")
    context = {
        "instance": found,
        "environments": rules.environments_on(found).select_related("live_release")[:SHOWN_ENVIRONMENTS],
        "error": error,
        "price": costs.price(found),
    }
    return render(request, "instances/instance_terminate.html", context, status=422 if error else 200)


@require_POST
def instance_forget(request: PageRequest, name: str) -> HttpResponse:
    """Remove its row; its name has to be typed."""
    found = queries.get_instance(request.user, name)
    try:
        actions.forget(instance=found, by=request.user, confirm=request.POST.get("confirm", ""))
    except ValidationError as error:
        return show(request, found, forget_error=" ".join(error.messages), status=422)
    messages.success(request, f"{found} is removed from the portal.")
    return redirect("instances")


def _done(request: PageRequest, found: Instance, news: str) -> HttpResponse:
    messages.success(request, f"{found} {news}")
    if request.POST.get("next") == "list":
        return redirect("instances")
    return redirect(found)


def _state(user: User, found: Instance) -> dict[str, Any]:
    """What changes by itself while somebody looks."""
    return {
        "instance": found,
        "buttons": detail_buttons(user, found),
        "price": costs.price(found),
        "source": listing.source_of(found),
        "match": listing.state_match(found),
        "moving": found.status in MOVING,
    }


def _keys(user: User, found: Instance) -> dict[str, Any]:
    """How far connecting it has come, and whether another key waits to be decided."""
    line = f"{found.public_key.strip()} portal" if found.public_key else ""
    return {
        "needs_connecting": rules.needs_connecting(found),
        "authorized_line": line,
        "authorized_command": f"mkdir -p ~/.ssh && echo '{line}' >> ~/.ssh/authorized_keys",
        "client_fingerprint": fingerprint(found.public_key) if found.public_key else "",
        "pinned": [fingerprint(line) for line in found.host_keys],
        "proposed": fingerprint(found.offered_key) if found.key_change_by_id else "",
        "proposal": queries.proposal(found) if found.key_change_by_id else None,
        "why_not_confirm_key": rules.why_not(rules.check_can_confirm_key, user, found),
        "why_not_connect": rules.why_not(rules.check_can_connect, user, found),
    }


def _facts(found: Instance) -> dict[str, Any]:
    """What was found there, in words; lists and empty values are left out."""
    return {
        key.replace("_", " "): value
        for key, value in sorted(found.facts.items())
        if key not in SHOWN_ELSEWHERE
        and value not in ("", None, [], {})
        and not isinstance(value, (dict, list, bool))
    }


def _environments(found: Instance, user: User) -> list[Any]:
    """What the person's teams run there. Read through the relation: this app knows no deployments."""
    rows = found.environments.filter(
        application__deleted_at__isnull=True, application__team__in=access.teams_with(user, "application.see")
    )
    return list(rows.select_related("application", "live_release")[:SHOWN_ENVIRONMENTS])
