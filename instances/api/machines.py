"""Instances: listed, added, changed, started, stopped and ended."""

import time
from typing import Any, ClassVar

from django.http import HttpResponse
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from instances import actions, bootstrap, queries
from instances.api import inputs, shapes
from instances.clouds.policy import policy
from instances.models import Instance
from instances.states import OrphanKind
from portal.api.base import ApiView
from portal.api.describe import described, post_described, request_example, shown, shown_all
from portal.api.idempotency import idempotent
from portal.api.paging import list_answer, page_by_number
from portal.core import access
from portal.core.models import Team, User

# How long a comparison with AWS is waited for, and between two looks whether it is done.
SYNC_SECONDS = 8.0
LOOK_SECONDS = 0.25
MOST_LISTED = 2000
MEASURED = (
    "at", "cpu_percent", "memory_used", "memory_total", "disk_used", "disk_total", "network_in", "network_out",
    "containers",
)  # fmt: skip
SERVER_FIELDS = {"ssh_host", "ssh_port", "ssh_user", "jump", "private_key"}
EC2_FIELDS = {"region", "instance_type", "volume_gb", "image_id", "subnet", "zone", "elastic", "now"}

_SERVER = request_example("A server", {"name": "gpu-1", "ssh_host": "gpu1.example.com", "ssh_user": "ubuntu"})
_EC2 = request_example(
    "A machine of AWS",
    {"kind": "ec2", "name": "churn-prod", "region": "eu-central-1", "instance_type": "t3.small"},
)


class NobodyLooked(APIException):
    """AWS, or the worker that asks it, did not answer in time."""

    status_code = 503
    default_detail = (
        "AWS did not answer in time. The comparison goes on; look at the instances again in a minute."
    )
    default_code = "aws_unreachable"


class Instances(ApiView):
    """All instances that one may see; a new one with POST."""

    parameters = {"GET": inputs.InstancesQuery}

    @described(
        operation_id="list_instances",
        summary="List instances",
        description="With `source` aws or merged also machines that only AWS has, for those who may adopt them.",
        parameters=[inputs.InstancesQuery],
        responses={200: shapes.INSTANCES},
        examples=[shapes.LIST_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        source = self.query["source"]
        rows: list[Any] = list(queries.of_source(self.user, source)[:MOST_LISTED])
        if source != "db":
            strays = queries.visible_orphans(self.user)
            rows += [orphan for orphan in strays if orphan.kind == OrphanKind.MACHINE]
        page = page_by_number(rows, self.query)  # type: ignore[arg-type, var-annotated]
        items = [
            shown(shapes.InstanceShape if isinstance(row, Instance) else shapes.StrayShape, row, request)
            for row in page.rows
        ]
        return list_answer(request, "instances", items, page)

    @described(
        operation_id="add_instance",
        summary="Add a server, or have AWS make a machine",
        request=inputs.NewInstance,
        responses={201: shapes.DoneAnswer},
        examples=[_SERVER, _EC2, shapes.MADE_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        wish = self.body(inputs.NewInstance)
        made = _add(wish, self.user)
        return _done(request, self.user, made, status=201)


class OneInstance(ApiView):
    """An instance and what is on it."""

    parameters = {"DELETE": inputs.ConfirmQuery}

    @described(
        operation_id="get_instance",
        summary="Show an instance",
        responses={200: shapes.InstanceAnswer},
        examples=[shapes.ONE_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        instance = queries.get_instance(self.user, identifier)
        placed = instance.environments.filter(
            application__deleted_at__isnull=True,
            application__team__in=access.teams_with(self.user, "application.see"),
        ).select_related("application")
        newest = instance.measurements.order_by("-at").first()
        return Response(
            {
                "success": True,
                "instance": shown(shapes.InstanceShape, instance, request),
                "applications": shown_all(shapes.PlacedShape, placed),
                "facts": instance.facts,
                "metrics": {name: getattr(newest, name) for name in MEASURED} if newest else {},
            }
        )

    @described(
        operation_id="update_instance",
        summary="Change an instance",
        request=inputs.InstanceFields,
        responses={200: shapes.DoneAnswer},
        examples=[request_example("Room for five", {"max_applications": 5}), shapes.CHANGED_EXAMPLE],
    )
    def patch(self, request: Request, identifier: str) -> Response:
        fields = self.body(inputs.InstanceFields, partial=True)
        instance = queries.get_instance(self.user, identifier)
        if "jump" in fields:
            fields["jump"] = _jump(self.user, fields["jump"])
        actions.update_instance(instance=instance, by=self.user, **fields)
        return _done(request, self.user, instance, status=200)

    @described(
        operation_id="remove_instance",
        summary="Remove an instance from the portal",
        description="A server stays as it is. A machine of AWS has to be terminated first.",
        parameters=[inputs.ConfirmQuery],
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, identifier: str) -> Response:
        instance = queries.get_instance(self.user, identifier)
        actions.forget(instance=instance, by=self.user, confirm=self.query["confirm"])
        return Response(status=204)


class Sync(ApiView):
    """Comparing with AWS."""

    @described(
        operation_id="sync_instances",
        summary="Compare the instances with AWS now",
        request=None,
        responses={200: shapes.SyncAnswer},
        examples=[shapes.SYNC_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        self.body()
        before = _seen(self.user)
        count = actions.sync(by=self.user)
        after = _wait_for_look(self.user, before)
        changes = [
            {"instance_id": str(uuid), "old_status": status, "new_status": after[uuid][0]}
            for uuid, (status, _) in before.items()
            if uuid in after and after[uuid][0] != status
        ]
        return Response({"success": True, "synced": count, "changes": changes})


class Operation(ApiView):
    """Something that is asked of an instance; each subclass names its action."""

    operation: ClassVar[Any]

    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        self.body()
        instance = queries.get_instance(self.user, identifier)
        type(self).operation(instance=instance, by=self.user)
        return _done(request, self.user, instance, status=202)


def _operation(operation_id: str, summary: str) -> Any:
    return post_described(
        operation_id=operation_id,
        summary=summary,
        request=None,
        responses={202: shapes.DoneAnswer},
        examples=[shapes.ASKED_EXAMPLE],
    )


@_operation("create_instance_now", "Have a planned machine made now")
class CreateNow(Operation):
    """Have a planned machine made now."""

    operation = actions.create_now


@_operation("start_instance", "Start a machine")
class Start(Operation):
    """Start a stopped machine."""

    operation = actions.start


@_operation("stop_instance", "Stop a machine")
class Stop(Operation):
    """Stop a machine."""

    operation = actions.stop


@_operation("reboot_instance", "Reboot a machine")
class Reboot(Operation):
    """Restart a machine's operating system."""

    operation = actions.reboot


@_operation("drain_instance", "Take no new deployments")
class Drain(Operation):
    """Take no new deployments."""

    operation = actions.drain


@_operation("undrain_instance", "Take deployments again")
class Undrain(Operation):
    """Take deployments again."""

    operation = actions.undrain


class Terminate(ApiView):
    """Ending a machine."""

    @described(
        operation_id="terminate_instance",
        summary="Terminate a machine",
        description="Its disk is deleted with it. Its name has to be sent as `confirm`.",
        request=inputs.ConfirmBody,
        responses={202: shapes.DoneAnswer},
        examples=[request_example("The name once more", {"confirm": "churn-prod"}), shapes.ASKED_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.ConfirmBody)
        instance = queries.get_instance(self.user, identifier)
        actions.terminate(instance=instance, by=self.user, confirm=wish["confirm"])
        return _done(request, self.user, instance, status=202)


class Policy(ApiView):
    """The rights that the portal needs at AWS."""

    @described(
        operation_id="get_aws_policy",
        summary="The smallest IAM policy with which the portal works",
        responses={200: {"type": "object"}},
        examples=[shapes.POLICY_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(policy())


class Bootstrap(ApiView):
    """The script that makes a server ready."""

    @described(
        operation_id="get_bootstrap_script",
        summary="The script that makes a server ready",
        responses={(200, "text/x-shellscript"): str},
        examples=[shapes.SCRIPT_EXAMPLE],
    )
    def get(self, request: Request) -> HttpResponse:
        return HttpResponse(bootstrap.text(), content_type="text/x-shellscript; charset=utf-8")


def team_named(user: User, slug: str | None, right: str) -> Team | None:
    """The team of that short name; without one the person's first, and for a portal admin everybody."""
    teams = access.teams_with(user, right)
    if not slug:
        return None if user.is_superuser else teams.order_by("name").first()
    found = teams.filter(slug=slug).first()
    if found is None:
        raise ValidationError({"team": [f"You manage no machines of a team {slug}."]})
    return found


def _add(wish: dict[str, Any], user: User) -> Instance:
    kind = wish.pop("kind")
    known, foreign = (SERVER_FIELDS, EC2_FIELDS) if kind == "server" else (EC2_FIELDS, SERVER_FIELDS)
    wrong = {name: ["Instances of this kind have no such field."] for name in foreign & set(wish)}
    if kind == "server" and not wish.get("ssh_host"):
        wrong["ssh_host"] = ["Send the name or address of the server."]
    if wrong:
        raise ValidationError(wrong)
    fields = {name: value for name, value in wish.items() if name in known}
    right = "instance.manage" if kind == "server" else "instance.create"
    team = team_named(user, wish.get("team"), right)
    if kind == "ec2":
        return actions.create_ec2(name=wish["name"], by=user, team=team, **fields)
    if "jump" in fields:
        fields["jump"] = _jump(user, fields["jump"])
    return actions.register_server(name=wish["name"], by=user, team=team, **fields)


def _jump(user: User, name: str | None) -> Instance | None:
    if not name:
        return None
    found = queries.jump_hosts(user).filter(name=name).first()
    if found is None:
        raise ValidationError({"jump": [f"There is no server {name} through which others are reached."]})
    return found


def _done(request: Request, user: User, instance: Instance, *, status: int) -> Response:
    row = shown(shapes.InstanceShape, queries.get_instance(user, instance.name), request)
    return Response({"success": True, "instance": row}, status=status)


def _seen(user: User) -> dict[Any, tuple[str, Any]]:
    """The state of each machine of AWS, and when AWS last said it."""
    rows = queries.of_source(user, "aws").exclude(status="terminated").order_by()
    return {row.uuid: (row.status, row.seen_at) for row in rows}


def _wait_for_look(user: User, before: dict[Any, tuple[str, Any]]) -> dict[Any, tuple[str, Any]]:
    until = time.monotonic() + SYNC_SECONDS
    while True:
        now = {row.uuid: (row.status, row.seen_at) for row in queries.of_source(user, "aws").order_by()}
        if all(uuid not in now or now[uuid] != seen for uuid, seen in before.items()):
            return now
        if time.monotonic() > until:
            raise NobodyLooked
        time.sleep(LOOK_SECONDS)
