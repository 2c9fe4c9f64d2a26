"""What requests may say about instances."""

from typing import Any

from rest_framework import serializers

from instances.inputs import parse_port
from portal.api.fields import Flag, PlainInteger, PlainText, RuledInteger
from portal.api.paging import PageQuery
from portal.api.parsing import StrictSerializer


class InstancesQuery(PageQuery):
    """Where to look for instances."""

    source = serializers.ChoiceField(  # type: ignore[assignment]
        choices=["merged", "db", "aws"],
        default="merged",
        help_text="What the portal knows, what AWS has, or both.",
    )


class NewInstance(StrictSerializer):
    """A server that is there, or a machine that AWS is to make."""

    kind = serializers.ChoiceField(choices=["server", "ec2"], default="server")
    name = PlainText(max_length=40)
    team = PlainText(
        max_length=40, required=False, allow_null=True,
        help_text="Its short name. Default: your first team; for a portal admin, everybody.",
    )  # fmt: skip
    ssh_host = PlainText(max_length=253, required=False, help_text="Of a server: its name or address.")
    ssh_port = RuledInteger(
        rule=parse_port, min_value=1, max_value=65535, required=False, help_text="Of a server. Default: 22."
    )
    ssh_user = PlainText(max_length=32, required=False, help_text="Of a server. Default: root.")
    jump = PlainText(
        max_length=60, required=False, allow_null=True, help_text="A server through which it is reached."
    )
    private_key = PlainText(
        max_length=20_000, required=False, allow_blank=True, write_only=True,
        help_text="Of a server. Default: the portal makes one.",
    )  # fmt: skip
    region = PlainText(max_length=30, required=False, help_text="Of AWS.")
    instance_type = PlainText(max_length=30, required=False)
    volume_gb = PlainInteger(min_value=8, max_value=16384, required=False)
    image_id = PlainText(
        max_length=40, required=False, allow_blank=True, help_text="An AMI. Default: the newest Ubuntu."
    )
    subnet = PlainText(max_length=40, required=False, allow_blank=True)
    zone = PlainText(max_length=40, required=False, allow_blank=True)
    elastic = Flag(required=False, help_text="Keep one address over stop and start.")
    now = Flag(required=False, help_text="Make it now instead of with its first deployment.")


class InstanceFields(StrictSerializer):
    """What can be changed of an instance; which depends on its kind."""

    max_applications = PlainInteger(min_value=1, max_value=500, required=False)
    address = PlainText(max_length=255, required=False, allow_blank=True)
    ssh_host = PlainText(max_length=253, required=False)
    ssh_port = RuledInteger(rule=parse_port, min_value=1, max_value=65535, required=False)
    ssh_user = PlainText(max_length=32, required=False)
    jump = PlainText(max_length=60, required=False, allow_null=True)
    stop_at = serializers.TimeField(required=False, allow_null=True, help_text="In UTC.")
    start_at = serializers.TimeField(required=False, allow_null=True, help_text="In UTC.")
    schedule_days = PlainText(
        max_length=13, required=False, allow_blank=True, help_text="0 is Monday: 0,1,2,3,4"
    )
    elastic = Flag(required=False)


class ConfirmBody(StrictSerializer):
    """The name of what ends, typed once more."""

    confirm = PlainText(max_length=200, help_text="The instance's name.")


class ConfirmQuery(ConfirmBody):
    """The name of what is removed, typed once more."""


class OrphanConfirm(StrictSerializer):
    """The id of a machine that is deleted, typed once more."""

    confirm = PlainText(max_length=200, required=False, default="", help_text="For a machine: its id.")


class AdoptBody(StrictSerializer):
    """How the portal is to call a machine that it takes over, and whose it is."""

    name = PlainText(max_length=40)
    team = PlainText(max_length=40, required=False, allow_null=True)


class HostKeyBody(StrictSerializer):
    """The public host key, or the fingerprint that the server must show now."""

    host_key = PlainText(max_length=5000, required=False, help_text="Such as `ssh-ed25519 AAAA…`.")
    fingerprint = PlainText(
        max_length=80, required=False, help_text="Such as `SHA256:…`; the server is asked again."
    )
    reason = PlainText(
        max_length=300, required=False, help_text="Why it has changed, where another key is pinned."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("host_key" in attrs) == ("fingerprint" in attrs):
            raise serializers.ValidationError({"host_key": ["Send host_key or fingerprint."]})
        return attrs


class KeyDecisionBody(StrictSerializer):
    """What is to become of a proposed host key."""

    decision = serializers.ChoiceField(choices=["confirm", "refuse"])
    fingerprint = PlainText(
        max_length=80, required=False, default="", help_text="Of the key that is confirmed."
    )
