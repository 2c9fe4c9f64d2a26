"""What an answer says of an application."""

from typing import Any

from rest_framework import serializers

from deployments.api import answers, shapes
from deployments.models import Application
from deployments.states import Health, Status
from portal.api.describe import (
    example,
    list_example,
    list_shape,
    looks_like,
    request_example,
    shown_all,
)
from portal.api.links import absolute, api_link

# An application is as well as its worst environment.
WORST_FIRST = [Health.LOST, Health.UNHEALTHY, Health.STOPPED, Health.HEALTHY, Health.NOTHING]


class LatestShape(serializers.Serializer[Any]):
    """The newest deployment of an application."""

    short_id = serializers.CharField()
    number = serializers.IntegerField()
    status = serializers.ChoiceField(choices=Status.choices)


class ApplicationLinks(serializers.Serializer[Any]):
    """Where to look next."""

    self = serializers.URLField()
    page = serializers.URLField(help_text="For people.")


class ApplicationShape(serializers.Serializer[Application]):
    """An application as a row of a list."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    slug = serializers.CharField(source="name")
    team = serializers.CharField(source="team.slug")
    github_url = serializers.CharField(source="git_url")
    status = serializers.SerializerMethodField(help_text="The health of its worst environment.")
    url = serializers.SerializerMethodField(help_text="Of its first environment that has one.")
    branch = serializers.CharField(source="default_branch")
    container_port = serializers.IntegerField(allow_null=True)
    description = serializers.CharField()
    created_at = serializers.DateTimeField()
    last_deployed_at = serializers.DateTimeField(source="latest_at", allow_null=True)
    latest_deployment = serializers.SerializerMethodField()
    environments = serializers.SerializerMethodField()
    links = serializers.SerializerMethodField()

    @looks_like(serializers.ChoiceField(choices=Health.choices))
    def get_status(self, application: Application) -> str:
        found = {place.health for place in application.environments.all()}
        return next((health for health in WORST_FIRST if health in found), Health.NOTHING).value

    @looks_like(serializers.CharField())
    def get_url(self, application: Application) -> str:
        return next((place.url for place in application.environments.all() if place.url), "")

    @looks_like(LatestShape(allow_null=True))
    def get_latest_deployment(self, application: Any) -> dict[str, Any] | None:
        if application.latest_short_id is None:
            return None
        return {
            "short_id": application.latest_short_id,
            "number": application.latest_number,
            "status": application.latest_status,
        }

    @looks_like(answers.EnvironmentShape(many=True))
    def get_environments(self, application: Application) -> Any:
        return shown_all(answers.EnvironmentShape, application.environments.all())

    @looks_like(ApplicationLinks)
    def get_links(self, application: Application) -> dict[str, str]:
        request = self.context["request"]
        return {
            "self": api_link(request, "application", application.name),
            "page": absolute(request, application.get_absolute_url()),
        }


class ApplicationDetail(ApplicationShape):
    """An application with all its settings; of credentials only whether there are any."""

    dockerfile = serializers.CharField()
    health_path = serializers.CharField()
    test_command = serializers.CharField()
    context = serializers.CharField()  # type: ignore[assignment]
    build_args = serializers.DictField(child=serializers.CharField())
    hooks = serializers.DictField(child=serializers.CharField())
    memory_mb = serializers.IntegerField()
    cpus = serializers.FloatField()
    has_git_token = serializers.BooleanField(source="git_token_sealed")
    has_deploy_key = serializers.BooleanField(source="deploy_key_sealed")

    def to_representation(self, instance: Application) -> dict[str, Any]:
        row = super().to_representation(instance)
        # The sealed text is no word for yes or no.
        return {
            **row,
            "has_git_token": bool(instance.git_token_sealed),
            "has_deploy_key": bool(instance.deploy_key_sealed),
        }


class ApplicationAnswer(serializers.Serializer[Any]):
    """An application and its newest deployments."""

    success = serializers.BooleanField()
    application = ApplicationDetail()
    recent_deployments = shapes.DeploymentShape(many=True)


class Operated(serializers.Serializer[Any]):
    """The environment as people want it now; the watch makes it so within seconds."""

    success = serializers.BooleanField()
    environment = answers.EnvironmentShape()


APPLICATIONS = list_shape("ApplicationList", "applications", ApplicationShape)

_SETTINGS = {
    "dockerfile": "Dockerfile", "health_path": "/health", "test_command": "", "context": "", "build_args": {},
    "hooks": {"pre_deploy": "python manage.py migrate"}, "memory_mb": 1024, "cpus": 1.0,
    "has_git_token": False, "has_deploy_key": False,
}  # fmt: skip
_ANSWER = {
    "success": True,
    "application": {**answers.APPLICATION, **_SETTINGS},
    "recent_deployments": [answers.DEPLOYMENT],
}
APPLICATIONS_EXAMPLE = list_example("applications", answers.APPLICATION)
APPLICATION_EXAMPLE = example("An application", _ANSWER)
CREATED_EXAMPLE = example("Created", _ANSWER, status="201")
NEW_APPLICATION_EXAMPLE = request_example(
    "A repository",
    {"git_url": "https://github.com/acme/sentiment-api", "name": "sentiment-api", "health_path": "/health"},
)
APPLICATION_FIELDS_EXAMPLE = request_example(
    "More memory, and a command before traffic switches",
    {
        "git_url": "https://github.com/acme/sentiment-api",
        "memory_mb": 2048,
        "hooks": {"pre_deploy": "python manage.py migrate"},
    },
)
OPERATED_EXAMPLE = example("Accepted", {"success": True, "environment": answers.ENVIRONMENT}, status="202")
