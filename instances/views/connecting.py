"""Connecting a server: its fingerprint, the keys, and the look at what is there."""

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from instances import actions, bootstrap, queries, rules, showing
from instances.clouds.policy import policy
from instances.views.one import show
from portal.core.pages import PageRequest


@require_GET
def host_key(request: PageRequest, name: str) -> HttpResponse:
    """The fingerprint that the server shows right now; nothing but the key exchange is sent."""
    found = queries.get_instance(request.user, name)
    rules.check_can_manage(request.user, found)
    return render(request, "instances/_offered.html", {"instance": found, "offered": showing.look(found)})


@require_POST
def host_key_confirm(request: PageRequest, name: str) -> HttpResponse:
    """Pin the key whose fingerprint was compared, or that was pasted."""
    found = queries.get_instance(request.user, name)
    try:
        actions.confirm_host_key(instance=found, by=request.user, host_key=request.POST.get("host_key", ""))
    except ValidationError as error:
        return show(request, found, key_error=" ".join(error.messages), status=422)
    messages.success(request, "The fingerprint is pinned. Validate the server as the last step.")
    return redirect(found)


@require_POST
def host_key_propose(request: PageRequest, name: str) -> HttpResponse:
    """Ask for another key in the place of the pinned one."""
    found = queries.get_instance(request.user, name)
    try:
        actions.propose_host_key(
            instance=found,
            by=request.user,
            host_key=request.POST.get("host_key", ""),
            reason=request.POST.get("reason", ""),
        )
    except ValidationError as error:
        return show(request, found, key_error=" ".join(error.messages), status=422)
    messages.success(request, "Proposed. Somebody else who manages this machine has to confirm it.")
    return redirect(found)


@require_POST
def host_key_decide(request: PageRequest, name: str) -> HttpResponse:
    """Confirm or refuse the proposed key."""
    found = queries.get_instance(request.user, name)
    if request.POST.get("decision") == "confirm":
        actions.confirm_key_change(
            instance=found, by=request.user, fingerprint=request.POST.get("fingerprint", "")
        )
        messages.success(request, "The new key is pinned.")
    else:
        actions.refuse_key_change(instance=found, by=request.user)
        messages.success(request, "The proposal is thrown away; the pinned key stays.")
    return redirect(found)


@require_POST
def key_replace(request: PageRequest, name: str) -> HttpResponse:
    """Sign in with another key from now on."""
    found = queries.get_instance(request.user, name)
    try:
        actions.replace_key(instance=found, by=request.user, private_key=request.POST.get("private_key", ""))
    except ValidationError as error:
        return show(request, found, key_error=" ".join(error.messages), status=422)
    messages.success(request, "The key is replaced. Put its line on the server, then validate.")
    return redirect(found)


@require_POST
def validate(request: PageRequest, name: str) -> HttpResponse:
    """Connect and look what is there."""
    found = queries.get_instance(request.user, name)
    checked = actions.validate(instance=found, by=request.user)
    if all(check.ok for check in checked):
        messages.success(request, f"{found} answers, and everything that deployments need is there.")
        return redirect(found)
    return show(request, queries.get_instance(request.user, name), checks=checked, status=409)


@require_GET
def bootstrap_script(request: PageRequest) -> HttpResponse:
    """The script that makes a server ready, to read and to run by hand."""
    return _file(bootstrap.text(), "portal-bootstrap.sh", "text/x-shellscript")


@require_GET
def iam_policy(request: PageRequest) -> HttpResponse:
    """The smallest policy with which the portal works."""
    return _file(json.dumps(policy(), indent=2) + "\n", "portal-policy.json", "application/json")


def _file(content: str, name: str, kind: str) -> HttpResponse:
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=f"{kind}; charset=utf-8", headers=headers)
