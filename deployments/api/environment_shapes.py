"""What requests and answers say of an environment."""

from typing import Any

from rest_framework import serializers

from deployments.api import answers
from deployments.inputs import check_environment_name, parse_host_port, parse_hostnames
from deployments.states import Cleanup
from portal.api.describe import example, list_example, list_shape, request_example
from portal.api.fields import Flag, PlainText, RuledInteger
from portal.api.parsing import StrictSerializer


class Hostnames(serializers.ListField):
    """Host names, refused by their own rule before anything is said about one value."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(parse_hostnames(data))


class EnvironmentFields(StrictSerializer):
    """Where an environment is and how it is reached; it takes effect with the next deployment."""

    instance = PlainText(max_length=80, required=False, help_text="Its name. Moves only what is not live.")
    branch = PlainText(max_length=200, allow_blank=True, required=False)
    public_port = RuledInteger(
        rule=parse_host_port, min_value=80, max_value=65535, required=False, allow_null=True,
        help_text="80 (not on this machine), or from 1024 on. null: a free one is chosen.",
    )  # fmt: skip
    protected = Flag(required=False, help_text="Only team admins change it and its variables.")
    hostnames = Hostnames(
        child=PlainText(max_length=253), required=False,
        help_text="Names under which it answers, at most five; servers and EC2 instances only.",
    )  # fmt: skip
    path_prefix = PlainText(
        max_length=100, allow_blank=True, required=False, help_text="Such as /churn; stays in the request."
    )
    https = Flag(
        required=False, help_text="A certificate of Let's Encrypt; http redirects. Needs a host name."
    )
    proxy_options = serializers.DictField(
        required=False,
        help_text="body_mb, read_seconds, websockets, headers (name to value), allow (networks).",
    )
    basic_auth = PlainText(
        max_length=300, allow_blank=True, required=False, write_only=True,
        help_text="user:password that the proxy asks for; empty removes it. Never shown again.",
    )  # fmt: skip
    on_failure = serializers.ChoiceField(
        choices=Cleanup.choices, required=False,
        help_text="What becomes of a machine that was made for a deployment which failed.",
    )  # fmt: skip


class NewEnvironment(EnvironmentFields):
    """One more place for an application; without an instance on this machine."""

    name = PlainText(max_length=40, validators=[check_environment_name])


class EnvironmentAnswer(serializers.Serializer[Any]):
    """One environment."""

    success = serializers.BooleanField()
    environment = answers.EnvironmentShape()


ENVIRONMENTS = list_shape("EnvironmentList", "environments", answers.EnvironmentShape)
ENVIRONMENTS_EXAMPLE = list_example("environments", answers.ENVIRONMENT)
_NAMED = {
    **answers.ENVIRONMENT,
    "name": "prod", "instance": "gpu-1", "protected": True, "hostnames": ["churn.example.org"], "https": True,
    "proxy_options": {"body_mb": 100, "read_seconds": 120}, "url": "https://churn.example.org/", "public_port": None,
}  # fmt: skip
ENVIRONMENT_EXAMPLE = example("An environment", {"success": True, "environment": _NAMED})
CREATED_EXAMPLE = example("Created", {"success": True, "environment": _NAMED}, status="201")
NEW_EXAMPLE = request_example(
    "On a server, under a name",
    {"name": "prod", "instance": "gpu-1", "hostnames": ["churn.example.org"], "https": True},
)
FIELDS_EXAMPLE = request_example(
    "Larger requests, and a sign-in",
    {"proxy_options": {"body_mb": 100, "read_seconds": 120}, "basic_auth": "ada:correct horse"},
)
