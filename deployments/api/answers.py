"""The forms of answers, with an example of each, for the API's description."""

from typing import Any
from urllib.parse import urlencode

from rest_framework import serializers

from deployments.api import shapes
from deployments.states import Cleanup, Health, Status
from portal.api.describe import example, inline, list_example, list_shape, post_described, request_example

ID = "6f1c1c9e-6d0e-4b52-9a57-0d2c8f6f0a11"
LINKS = {
    "self": f"https://portal.example/api/v1/deployments/{ID}",
    "logs": f"https://portal.example/api/v1/deployments/{ID}/logs",
    "page": "https://portal.example/deployments/6f1c1c9e",
    "websocket": f"wss://portal.example/ws/deployments/{ID}/",
}
DEPLOYMENT = {
    "id": ID,
    "short_id": "6f1c1c9e",
    "number": 7,
    "application": "sentiment-api",
    "application_id": "0b9e6f2c-2f5f-4f0e-8d57-3a2f1f6f7d10",
    "environment": "dev",
    "instance": "local",
    "kind": "deploy",
    "status": "succeeded",
    "source": "api",
    "requested_by": "ada",
    "github_url": "https://github.com/acme/sentiment-api",
    "ref": "main",
    "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8",
    "commit_subject": "Answer faster",
    "release": "v3",
    "url": "http://127.0.0.1:20000/",
    "created_at": "2026-01-31T12:00:00Z",
    "started_at": "2026-01-31T12:00:01Z",
    "finished_at": "2026-01-31T12:01:12Z",
    "duration": 71.2,
    "failure": None,
    "links": LINKS,
}
LINE = {"number": 1, "step": 1, "at": "2026-01-31T12:00:01Z", "level": "info", "message": "Cloning …"}
STEP = {
    "number": 1, "key": "validate_url", "name": "Validate Git URL", "status": "succeeded", "message": "",
    "started_at": "2026-01-31T12:00:01Z", "finished_at": "2026-01-31T12:00:02Z", "duration": 0.8,
}  # fmt: skip
ENVIRONMENT = {
    "id": "5d3e2b6a-51d5-4f6a-9f1e-3a0d6f3c9a55", "name": "dev", "instance": "local", "branch": "",
    "protected": False, "wanted": "running", "health": "healthy", "health_detail": "",
    "url": "http://127.0.0.1:20000/", "public_port": 20000, "release": "v3", "commit": DEPLOYMENT["commit"],
    "hostnames": [], "path_prefix": "", "https": False, "proxy_options": {}, "has_basic_auth": False,
    "on_failure": "keep", "restarts": 0, "checked_at": "2026-01-31T12:05:00Z",
}  # fmt: skip
APPLICATION = {
    "id": "0b9e6f2c-2f5f-4f0e-8d57-3a2f1f6f7d10", "name": "sentiment-api", "slug": "sentiment-api",
    "team": "data", "github_url": "https://github.com/acme/sentiment-api", "status": "healthy",
    "url": "http://127.0.0.1:20000/", "branch": "", "container_port": None, "description": "",
    "created_at": "2026-01-30T09:00:00Z", "last_deployed_at": "2026-01-31T12:00:00Z",
    "latest_deployment": {"short_id": "6f1c1c9e", "number": 7, "status": "succeeded"},
    "environments": [ENVIRONMENT],
    "links": {
        "self": "https://portal.example/api/v1/applications/sentiment-api",
        "page": "https://portal.example/applications/sentiment-api",
    },
}  # fmt: skip
VARIABLE = {"key": "API_KEY", "secret": True, "value": None, "updated_at": "2026-01-31T12:00:00Z"}


class Accepted(serializers.Serializer[Any]):
    """A deployment that was started or decided about."""

    success = serializers.BooleanField()
    deployment_id = serializers.UUIDField()
    short_id = serializers.CharField()
    number = serializers.IntegerField()
    application = serializers.CharField()
    environment = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    links = shapes.LinksShape()


class DeploymentAnswer(serializers.Serializer[Any]):
    """A deployment with its steps and the first 200 lines of its log."""

    success = serializers.BooleanField()
    deployment = shapes.DeploymentShape()
    steps = shapes.StepShape(many=True)
    logs = shapes.LineShape(many=True)
    links = shapes.LinksShape()


class LogsAnswer(serializers.Serializer[Any]):
    """Lines of a log."""

    success = serializers.BooleanField()
    count = serializers.IntegerField()
    logs = shapes.LineShape(many=True)
    next = serializers.URLField(allow_null=True)


class PossibleAction(serializers.Serializer[Any]):
    """Something one could do now, or why not."""

    name = serializers.CharField()
    method = serializers.CharField()
    url = serializers.URLField()
    allowed = serializers.BooleanField()
    reason = serializers.CharField()


class FindingShape(serializers.Serializer[Any]):
    """What probably caused a failure, with the line that proves it."""

    rule = serializers.IntegerField()
    title = serializers.CharField()
    meaning = serializers.CharField()
    fix = serializers.CharField()
    evidence = serializers.CharField()
    snippet = serializers.CharField(help_text="Something to take over as it stands; may be empty.")
    proposal = inline(
        "Proposal",
        {
            "what": serializers.CharField(help_text="retry, set_port, raise_memory, …"),
            "values": serializers.DictField(help_text="E.g. the field and its value."),
        },
        allow_null=True,
    )


class ExplainAnswer(serializers.Serializer[Any]):
    """What became of a deployment, why, and what to do."""

    success = serializers.BooleanField()
    deployment_id = serializers.UUIDField()
    short_id = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    outcome = serializers.CharField()
    diagnosis = inline(
        "Diagnosis",
        {
            "code": serializers.CharField(),
            "title": serializers.CharField(),
            "sentence": serializers.CharField(),
            "fix": serializers.CharField(),
            "detail": serializers.CharField(),
        },
        allow_null=True,
    )
    diagnoses = FindingShape(many=True)
    step = shapes.StepShape(allow_null=True)
    evidence = serializers.DictField(
        help_text="What was gathered on the machine when it failed; secrets are masked."
    )
    actions = PossibleAction(many=True)
    links = shapes.LinksShape()


class EnvironmentShape(serializers.Serializer[Any]):
    """One place of an application."""

    id = serializers.UUIDField(source="uuid")
    name = serializers.CharField()
    instance = serializers.CharField(source="instance.name")
    branch = serializers.CharField()
    protected = serializers.BooleanField()
    wanted = serializers.CharField(help_text="running or stopped, as people want it.")
    health = serializers.ChoiceField(choices=Health.choices)
    health_detail = serializers.CharField()
    url = serializers.CharField()
    public_port = serializers.IntegerField(allow_null=True)
    hostnames = serializers.ListField(child=serializers.CharField())
    path_prefix = serializers.CharField()
    https = serializers.BooleanField()
    proxy_options = serializers.DictField()
    has_basic_auth = serializers.SerializerMethodField()
    on_failure = serializers.ChoiceField(choices=Cleanup.choices)
    release = serializers.CharField(source="live_release.__str__", default=None, allow_null=True)
    commit = serializers.CharField(source="live_release.commit", default=None, allow_null=True)
    restarts = serializers.IntegerField()
    checked_at = serializers.DateTimeField(allow_null=True)

    def get_has_basic_auth(self, environment: Any) -> bool:
        return bool(environment.basic_auth_sealed)


class VariableShape(serializers.Serializer[Any]):
    """An environment variable; the value of a secret one is never shown."""

    key = serializers.CharField()
    secret = serializers.BooleanField()
    value = serializers.SerializerMethodField()
    updated_at = serializers.DateTimeField()

    def get_value(self, variable: Any) -> str | None:
        return None if variable.secret else variable.value.reveal()


DEPLOYMENTS = list_shape("DeploymentList", "deployments", shapes.DeploymentShape)


DEPLOYMENTS_EXAMPLE = list_example("deployments", DEPLOYMENT)
DEPLOY_EXAMPLE = request_example(
    "Deploy the main branch",
    {"github_url": "https://github.com/acme/sentiment-api", "branch": "main", "environment": "dev"},
)
DEPLOY_IMAGE_EXAMPLE = request_example(
    "Deploy an image",
    {"image": "registry.example.org/acme/sentiment-api:1.2", "name": "sentiment-api", "target": "gpu-1"},
)
DEPLOY_EC2_EXAMPLE = request_example(
    "Deploy to a new EC2 instance",
    {
        "github_url": "https://github.com/acme/sentiment-api", "environment": "stage", "target": "ec2",
        "instance_name": "sentiment-stage", "instance_type": "t3.small", "region": "eu-central-1",
    },
)  # fmt: skip
ACCEPTED_EXAMPLE = example(
    "Accepted",
    {
        "success": True, "deployment_id": ID, "short_id": "6f1c1c9e", "number": 7,
        "application": "sentiment-api", "environment": "dev", "status": "queued", "links": LINKS,
    },
    status="202",
)  # fmt: skip
ROLLBACK_EXAMPLE = request_example("Bring v2 back", {"release": "v2"})
DEPLOYMENT_EXAMPLE = example(
    "A deployment",
    {"success": True, "deployment": DEPLOYMENT, "steps": [STEP], "logs": [LINE], "links": LINKS},
)
LOGS_EXAMPLE = example("Lines", {"success": True, "count": 1, "logs": [LINE], "next": None})
EXPLAIN_EXAMPLE = example(
    "A failure",
    {
        "success": True, "deployment_id": ID, "short_id": "6f1c1c9e", "status": "failed",
        "outcome": "It did not go live; what ran before still answers.",
        "diagnosis": {
            "code": "dockerfile_missing",
            "title": "There is no Dockerfile",
            "sentence": "At this commit the repository has no file at the Dockerfile path.",
            "fix": "Add a Dockerfile, or set its path in the application's settings.",
            "detail": "Dockerfile",
        },
        "diagnoses": [
            {
                "rule": 11, "title": "The Dockerfile is somewhere else",
                "meaning": "At this commit there is api/Dockerfile.",
                "fix": "Set the Dockerfile path to api/Dockerfile, then deploy again.",
                "evidence": "There is no Dockerfile at 0a1b2c3. Found instead: api/Dockerfile.", "snippet": "",
                "proposal": {"what": "set_dockerfile", "values": {"dockerfile": "api/Dockerfile"}},
            }
        ],
        "step": {**STEP, "number": 2, "key": "check_dockerfile", "name": "Check Dockerfile", "status": "failed"},
        "evidence": {},
        "actions": [
            {"name": "retry", "method": "POST", "url": LINKS["self"] + "/retry", "allowed": True, "reason": ""}
        ],
        "links": LINKS,
    },
)  # fmt: skip


def decision(operation_id: str, summary: str, *, request: Any = None, examples: Any = ()) -> Any:
    """Describe the POST of a view that decides about a deployment."""
    return post_described(
        operation_id=operation_id,
        summary=summary,
        request=request,
        responses={202: Accepted, 200: Accepted},
        examples=[*examples, ACCEPTED_EXAMPLE],
    )


def with_query(url: str, parameters: dict[str, str]) -> str:
    return f"{url}?{urlencode(parameters)}"
