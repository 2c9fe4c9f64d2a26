"""How a server is reached: its host key, and the look at what is there."""

from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from instances import actions, queries, rules, showing
from instances.api import inputs, shapes
from instances.hosts.keys import fingerprint
from instances.models import Instance
from portal.api.base import ApiView
from portal.api.describe import described, request_example, shown, shown_all

_FINGERPRINT = request_example("What the server must show", {"fingerprint": "SHA256:…"})


class Validate(ApiView):
    """Connecting and looking what is there."""

    @described(
        operation_id="validate_instance",
        summary="Connect to a server and look what is there",
        request=None,
        responses={200: shapes.ServerChecksAnswer},
        examples=[shapes.VALIDATE_EXAMPLE],
    )
    def post(self, request: Request, identifier: str) -> Response:
        self.body()
        instance = queries.get_instance(self.user, identifier)
        checks = actions.validate(instance=instance, by=self.user)
        return Response(
            {
                "success": all(check.ok for check in checks),
                "checks": shown_all(shapes.CheckShape, checks),
                "instance": shown(shapes.InstanceShape, queries.get_instance(self.user, identifier), request),
            }
        )


class HostKey(ApiView):
    """The host key: what the server shows, and what is pinned."""

    @described(
        operation_id="get_host_key",
        summary="The host key that the server shows now",
        description="Nothing but the key exchange is sent.",
        responses={200: shapes.OfferedAnswer},
        examples=[shapes.OFFERED_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        instance = queries.get_instance(self.user, identifier)
        rules.check_can_manage(self.user, instance)
        offered = showing.look(instance)
        return _answer(
            instance,
            host_key=offered.key,
            fingerprint=offered.fingerprint,
            changed=offered.changed,
            problem=offered.problem,
        )

    @described(
        operation_id="confirm_host_key",
        summary="Pin a host key, or propose another one",
        description="The first is pinned at once; another has to be confirmed by a second person.",
        request=inputs.HostKeyBody,
        responses={200: shapes.OfferedAnswer},
        examples=[_FINGERPRINT, shapes.OFFERED_EXAMPLE],
    )
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.HostKeyBody)
        instance = queries.get_instance(self.user, identifier)
        rules.check_can_manage(self.user, instance)
        key = wish.get("host_key") or _shown_with(instance, wish["fingerprint"])
        if instance.host_keys:
            actions.propose_host_key(
                instance=instance, by=self.user, host_key=key, reason=wish.get("reason", "")
            )
        else:
            actions.confirm_host_key(instance=instance, by=self.user, host_key=key)
        return _answer(instance, host_key=key)


class HostKeyDecision(ApiView):
    """Deciding about another host key that somebody proposed."""

    @described(
        operation_id="decide_host_key",
        summary="Confirm or refuse a proposed host key",
        description="Nobody confirms what he proposed himself.",
        request=inputs.KeyDecisionBody,
        responses={200: shapes.OfferedAnswer},
        examples=[
            request_example("Confirm", {"decision": "confirm", "fingerprint": "SHA256:…"}),
            shapes.OFFERED_EXAMPLE,
        ],
    )
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.KeyDecisionBody)
        instance = queries.get_instance(self.user, identifier)
        if wish["decision"] == "confirm":
            actions.confirm_key_change(instance=instance, by=self.user, fingerprint=wish["fingerprint"])
        else:
            actions.refuse_key_change(instance=instance, by=self.user)
        return _answer(queries.get_instance(self.user, identifier))


def _shown_with(instance: Instance, wanted: str) -> str:
    """The key that the server shows now, if it has the fingerprint that a person has seen."""
    offered = showing.look(instance)
    if offered.problem:
        raise ValidationError({"fingerprint": [f"The server could not be asked: {offered.problem}"]})
    if offered.fingerprint != wanted:
        raise ValidationError({"fingerprint": [f"The server shows {offered.fingerprint} now."]})
    return offered.key


def _answer(instance: Instance, **more: Any) -> Response:
    body = {
        "success": True,
        "host_key": "",
        "fingerprint": "",
        "pinned": [fingerprint(line) for line in instance.host_keys],
        "changed": False,
        "proposed": fingerprint(instance.offered_key) if instance.key_change_by_id else "",
        "problem": "",
    } | more
    if body["host_key"] and not body["fingerprint"]:
        body["fingerprint"] = fingerprint(str(body["host_key"]))
    return Response(body)
