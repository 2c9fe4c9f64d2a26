"""What requests may say about deployments and applications."""

from decimal import Decimal
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from deployments.inputs import (
    check_command,
    check_environment_name,
    check_variable_name,
    check_variable_value,
    parse_build_args,
    parse_container_port,
    parse_hooks,
    parse_host_port,
)
from deployments.states import Status
from portal.api.fields import CappedInteger, Flag, PlainInteger, PlainText, RuledInteger
from portal.api.paging import PageQuery
from portal.api.parsing import StrictSerializer

LOG_LINES = 500
MOST_LOG_LINES = 2000

# The states as older clients call them.
OLDER_WORDS = {"pending": Status.QUEUED, "in_progress": Status.RUNNING, "success": Status.SUCCEEDED}


class DeploymentsQuery(PageQuery):
    """Which deployments, and in which order."""

    status = serializers.ChoiceField(
        choices=[*Status.values, *OLDER_WORDS], required=False, help_text="Only those in this state."
    )
    application = PlainText(max_length=80, required=False, help_text="Name or id of an application.")
    app_id = PlainText(max_length=80, required=False, help_text="Another name for `application`.")
    environment = PlainText(max_length=40, required=False, help_text="Name of an environment.")
    env = PlainText(max_length=40, required=False, help_text="Another name for `environment`.")
    created_after = serializers.DateTimeField(required=False, help_text="Only those made after this time.")
    ordering = serializers.ChoiceField(
        choices=["-created", "created"], default="-created", help_text="Newest or oldest first."
    )
    after = serializers.UUIDField(required=False, help_text="Id of the last row seen; from the link `next`.")
    before = serializers.UUIDField(required=False, help_text="Id of a row; from the link `previous`.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        attrs = super().validate(attrs)
        if "status" in attrs:
            attrs["status"] = OLDER_WORDS.get(attrs["status"], attrs["status"])
        for name, other in (("application", "app_id"), ("environment", "env")):
            if other in attrs:
                attrs.setdefault(name, attrs[other])
        if sum(name in attrs for name in ("after", "before", "page")) > 1:
            raise ValidationError({"after": ["Send one of after, before and page."]})
        return attrs


class LogsQuery(StrictSerializer):
    """Which lines of a log, and as what."""

    after = PlainText(
        max_length=40, required=False,
        help_text="Number of the last line seen, or a time (RFC 3339): only later lines.",
    )  # fmt: skip
    limit = CappedInteger(
        largest=MOST_LOG_LINES, default=LOG_LINES,
        help_text=f"Lines per answer: {LOG_LINES}, at most {MOST_LOG_LINES}.",
    )  # fmt: skip
    level = serializers.ChoiceField(choices=["info", "command", "warning", "error"], required=False)
    # Not `format`: the framework has its own idea of that word.
    as_ = serializers.ChoiceField(choices=["json", "text", "ansi"], default="json")

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        # `as` cannot be the name of a Python attribute.
        fields["as"] = fields.pop("as_")
        return fields


class BuildArgs(serializers.DictField):
    """Build arguments, refused by their own rule before anything is said about one value."""

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(parse_build_args(data))


class DeployBody(StrictSerializer):
    """What to deploy, and where. Everything but the repository or image has a default."""

    github_url = PlainText(max_length=512, required=False, help_text="URL of any allowed Git server.")
    git_url = PlainText(max_length=512, required=False, help_text="Another name for `github_url`.")
    image = PlainText(
        max_length=255, required=False, allow_blank=True, allow_null=True,
        help_text="Instead of a repository: an image made elsewhere, such as registry.example.org/team/app:1.2 or "
        "…@sha256:…. Nothing is cloned or built. `name` is needed.",
    )  # fmt: skip
    name = PlainText(
        max_length=40, required=False, allow_blank=True, allow_null=True, help_text="Of the application."
    )
    instance_name = PlainText(
        max_length=60, required=False, allow_blank=True, allow_null=True,
        help_text="With the target `ec2` the name of the new instance. Else an instance to deploy to; if there is "
        "none of that name, the name of the application.",
    )  # fmt: skip
    instance_type = PlainText(
        max_length=30, required=False, allow_blank=True, allow_null=True,
        help_text="Of a new instance. Default: as the portal is set up.",
    )  # fmt: skip
    region = PlainText(
        max_length=30, required=False, allow_blank=True, allow_null=True,
        help_text="Of a new instance. Default: the portal's own.",
    )  # fmt: skip
    context = PlainText(  # type: ignore[assignment]
        max_length=255, required=False, allow_null=True, allow_blank=True,
        help_text="The folder of the repository that is built. Default: as the application has it.",
    )  # fmt: skip
    build_args = BuildArgs(
        child=PlainText(max_length=4096, allow_blank=True), required=False, allow_null=True,
        help_text="For this deployment, beside those of the application. Readable in the image: no secrets.",
    )  # fmt: skip
    no_cache = Flag(required=False, help_text="Build every layer anew.")
    container_port = RuledInteger(
        rule=parse_container_port, min_value=1, max_value=65535, required=False, allow_null=True
    )
    host_port = RuledInteger(
        rule=parse_host_port, min_value=80, max_value=65535, required=False, allow_null=True,
        help_text="80 (not on this machine), or from 1024 on. Default: a free one.",
    )  # fmt: skip
    branch = PlainText(
        max_length=200, required=False, allow_blank=True, allow_null=True,
        help_text="A branch, a tag, or the 40 digits of a commit. Default: the repository's own.",
    )  # fmt: skip
    environment = PlainText(
        max_length=40, required=False, allow_null=True, help_text="Default: dev.",
        # Checked here as well, because the model can only say that some `name` is wrong.
        validators=[check_environment_name],
    )  # fmt: skip
    target = PlainText(
        max_length=60, required=False, allow_blank=True, allow_null=True,
        help_text="`local`, the name of an instance, or `ec2` for a new EC2 instance of this environment. Default: "
        "where the environment is, else local.",
    )  # fmt: skip
    env = serializers.DictField(
        child=PlainText(max_length=32 * 1024, allow_blank=True), required=False, allow_null=True,
        help_text="Environment variables; stored as secrets.",
    )  # fmt: skip
    plan_hash = PlainText(
        max_length=200, required=False, allow_null=True, allow_blank=True,
        help_text="Of a plan of the same body: deploys only while nothing has changed since.",
    )  # fmt: skip
    model_version = PlainText(max_length=200, required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in ("github_url", "git_url", "image") if attrs.get(name)]
        if len(given) != 1:
            reason = (
                f"Send one of {' and '.join(given)}, not both."
                if given
                else "Send the URL of a Git repository, or an image."
            )
            raise ValidationError({"github_url": [reason]}, code="required")
        if attrs.get("model_version"):
            raise ValidationError(
                {"model_version": ["Models cannot be deployed yet: this portal has no model registry."]}
            )
        return attrs


class RollbackBody(StrictSerializer):
    """Which release to bring back."""

    release = PlainText(
        max_length=12, required=False, allow_null=True,
        help_text="Such as `v3`. Default: the last good one before the live one.",
    )  # fmt: skip


class ApplicationsQuery(PageQuery):
    """Which applications."""

    q = PlainText(
        max_length=200, required=False, allow_blank=True, help_text="In name, repository, URL or instance."
    )
    status = PlainText(max_length=20, required=False, help_text="Only those of this health.")


class Hooks(StrictSerializer):
    """Commands by the moment at which they run, one line each, run by `sh -c` in a container of its own."""

    pre_build = PlainText(
        max_length=500, allow_blank=True, required=False,
        help_text="In the Dockerfile's base image, with the checkout to write to.",
    )  # fmt: skip
    pre_deploy = PlainText(
        max_length=500, allow_blank=True, required=False,
        help_text="In the new image. If it fails, traffic does not switch.",
    )  # fmt: skip
    post_deploy = PlainText(
        max_length=500, allow_blank=True, required=False, help_text="In the new image, once it is live."
    )
    on_failure = PlainText(
        max_length=500, allow_blank=True, required=False,
        help_text="In the image that failed, once everything is undone.",
    )  # fmt: skip

    def to_internal_value(self, data: Any) -> Any:
        return super().to_internal_value(parse_hooks(data))


class ApplicationFields(StrictSerializer):
    """How an application is built and run."""

    git_url = PlainText(max_length=512)
    default_branch = PlainText(max_length=200, allow_blank=True, default="")
    dockerfile = PlainText(max_length=255, default="Dockerfile")
    container_port = RuledInteger(
        rule=parse_container_port, min_value=1, max_value=65535, allow_null=True, default=None
    )
    health_path = PlainText(max_length=256, allow_blank=True, default="")
    test_command = PlainText(max_length=500, rule=check_command, allow_blank=True, default="")
    memory_mb = PlainInteger(min_value=64, max_value=1 << 20, default=1024)
    cpus = serializers.DecimalField(max_digits=4, decimal_places=2, min_value=0, default=Decimal(1))
    context = PlainText(  # type: ignore[assignment]
        max_length=255, allow_blank=True, default="", help_text="The folder of the repository that is built."
    )
    build_args = BuildArgs(
        child=PlainText(max_length=4096, allow_blank=True), default=dict,
        help_text="Values of the Dockerfile's ARG lines. Readable in the image: no secrets.",
    )  # fmt: skip
    hooks = Hooks(default=dict)
    description = PlainText(max_length=300, allow_blank=True, default="")
    git_token = PlainText(
        max_length=500, required=False, allow_blank=True, write_only=True, help_text="Never shown again."
    )
    deploy_key = PlainText(
        max_length=20_000, required=False, allow_blank=True, write_only=True, help_text="Never shown again."
    )


class NewApplication(ApplicationFields):
    """A repository that becomes an application."""

    name = PlainText(
        max_length=40, required=False, allow_blank=True, help_text="Default: from the repository."
    )
    team = PlainText(
        max_length=40, required=False, help_text="Its short name. Default: your first team as a deployer."
    )


class DeleteQuery(StrictSerializer):
    """Whether to delete what is live."""

    force = Flag(default=False, help_text="Delete it although it is live.")


class PlaceQuery(StrictSerializer):
    """Which environment of an application."""

    environment = PlainText(
        max_length=40, required=False, help_text="May be left out where there is only one."
    )


class PlaceBody(PlaceQuery):
    """Which environment of an application."""


class VariableBody(PlaceQuery):
    """An environment variable to set."""

    key = PlainText(max_length=128, rule=check_variable_name)
    value = PlainText(max_length=32 * 1024, rule=check_variable_value, allow_blank=True, write_only=True)
    secret = Flag(default=True, help_text="A secret value is never shown again.")


class VariableQuery(PlaceQuery):
    """An environment variable to remove."""

    key = PlainText(max_length=128)
