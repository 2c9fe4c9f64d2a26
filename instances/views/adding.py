"""Adding an instance: a server that is there, or a machine that AWS makes."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from instances import actions, costs, inputs, queries
from instances.actions.making import ssh_exposure
from instances.clouds.base import CloudError
from instances.clouds.of import machines_in
from instances.forms import EC2Form, OwnedForm, ServerForm
from portal.core import access
from portal.core.errors import ActionDenied
from portal.core.pages import PageRequest


@require_http_methods(["GET", "POST"])
def add_server(request: PageRequest) -> HttpResponse:
    """Register a server that is reached by SSH."""
    form = _server_form(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        wishes = form.cleaned_data | {"ssh_user": form.cleaned_data["ssh_user"] or "root"}
        try:
            made = actions.register_server(by=request.user, **wishes)
        except (ValidationError, ActionDenied) as error:
            return _refused(request, form, error, "server")
        messages.success(request, f"{made} is added. Three steps connect it.")
        return redirect(made)
    return _show(request, form, "server", status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
def add_ec2(request: PageRequest) -> HttpResponse:
    """Plan a machine of AWS, or have it made at once."""
    form = _ec2_form(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_ec2(by=request.user, **form.cleaned_data)
        except (ValidationError, ActionDenied) as error:
            return _refused(request, form, error, "ec2")
        news = "is being made" if made.due_at else "is planned; its first deployment makes it"
        messages.success(request, f"{made} {news}.")
        return redirect(made)
    return _show(request, form, "ec2", status=422 if form.errors else 200)


@require_GET
def add_price(request: PageRequest) -> HttpResponse:
    """What the chosen type costs in the chosen region."""
    fields = (request.GET.get(name, "") for name in ("instance_type", "region", "volume_gb"))
    return render(request, "instances/_price.html", _price(*fields))


@require_GET
def add_subnets(request: PageRequest) -> HttpResponse:
    """The subnets of a region, asked of AWS after the page was shown."""
    region = request.GET.get("region", "")
    context: dict[str, Any] = {"region": region, "subnets": [], "problem": ""}
    if not access.teams_with(request.user, "instance.create").exists():
        return render(request, "instances/_subnets.html", context)
    try:
        inputs.check_region(region)
        context["subnets"] = machines_in(region).subnets()
    except ValidationError as error:
        context["problem"] = " ".join(error.messages)
    except CloudError as error:
        context["problem"] = error.detail
    return render(request, "instances/_subnets.html", context)


def _server_form(request: PageRequest, data: Any) -> ServerForm:
    return ServerForm(
        data,
        teams=access.teams_with(request.user, "instance.manage"),
        everybody=request.user.is_superuser,
        jumps=queries.jump_hosts(request.user),
    )


def _ec2_form(request: PageRequest, data: Any) -> EC2Form:
    return EC2Form(
        data,
        teams=access.teams_with(request.user, "instance.create"),
        everybody=request.user.is_superuser,
    )


def _refused(
    request: PageRequest, form: OwnedForm, error: ValidationError | ActionDenied, kind: str
) -> HttpResponse:
    if isinstance(error, ActionDenied):
        form.add_error(None, error.message)
        return _show(request, form, kind, status=403 if error.forbidden else 409)
    form.take_errors(error)
    return _show(request, form, kind, status=422)


def _show(request: PageRequest, form: OwnedForm, kind: str, status: int) -> HttpResponse:
    context: dict[str, Any] = {"form": form, "kind": kind}
    if kind == "ec2":
        fields = (str(form[name].value()) for name in ("instance_type", "region", "volume_gb"))
        context |= {"exposure": ssh_exposure(), "strict": settings.STRICT_SSH, **_price(*fields)}
    return render(request, "instances/instance_add.html", context, status=status)


def _price(instance_type: str, region: str, volume_gb: str) -> dict[str, Any]:
    digits = volume_gb.isascii() and volume_gb.isdecimal() and len(volume_gb) < 6
    volume = int(volume_gb) if digits else settings.EC2_VOLUME_SIZE
    return {
        "price": costs.price_of(instance_type, region, volume),
        "instance_type": instance_type,
        "region": region,
        "volume": volume,
    }
