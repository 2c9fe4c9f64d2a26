"""Starting deployments, looking at them, and deciding about them."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, TypeVar

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import actions, listing, logs, planning, queries
from deployments.actions import Started
from deployments.actions.targets import NEW
from deployments.api import answers, inputs, shapes
from deployments.api.planning import PLAN_EXAMPLE, STARTED_OR_PLAN, PlanQuery, plan_answer
from deployments.models import Deployment, Release
from instances.queries import visible_instances
from portal.api.base import ApiView
from portal.api.describe import described, shown, shown_all
from portal.api.idempotency import idempotent
from portal.api.paging import list_answer, page_by_key
from portal.api.parsing import NoBody, StrictSerializer
from portal.core.errors import Invalid
from portal.core.models import User

T = TypeVar("T")
FIRST_LINES = 200
DEPLOY_EXAMPLES = [
    answers.DEPLOY_EXAMPLE,
    answers.DEPLOY_IMAGE_EXAMPLE,
    answers.DEPLOY_EC2_EXAMPLE,
    answers.ACCEPTED_EXAMPLE,
]
FILTERS = ("application", "environment", "status", "created_after")


class Deployments(ApiView):
    """All deployments that one may see; a new one with POST."""

    parameters = {"GET": inputs.DeploymentsQuery, "POST": PlanQuery}

    @described(
        operation_id="list_deployments",
        summary="List deployments",
        parameters=[inputs.DeploymentsQuery],
        responses={200: answers.DEPLOYMENTS},
        examples=[answers.DEPLOYMENTS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        wanted = {name: self.query[name] for name in FILTERS if name in self.query}
        page = page_by_key(
            listing.candidates(self.user, **wanted),
            self.query,
            in_full=listing.in_full,
            newest_first=self.query["ordering"] == "-created",
        )
        items = shown_all(shapes.DeploymentShape, page.rows, request)
        return list_answer(request, "deployments", items, page)

    @described(
        operation_id="start_deployment",
        summary="Deploy a repository or an image",
        description="Makes the application and the environment when they are new. With `plan=1` it only says what "
        "it would do; `plan_hash` of that answer, sent with the same body, deploys only while the plan holds.",
        parameters=[PlanQuery],
        request=inputs.DeployBody,
        responses={202: answers.Accepted, 200: STARTED_OR_PLAN},
        examples=[*DEPLOY_EXAMPLES, PLAN_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        if self.query["plan"]:
            return plan_answer(_carried_out(planning.plan, self.body(inputs.DeployBody), self.user))
        return started_answer(request, _deploy(self.body(inputs.DeployBody), self.user))


class Deploy(ApiView):
    """The older address for starting a deployment."""

    @described(
        operation_id="deploy",
        summary="Deploy a repository (older address)",
        description="The same as POST on deployments.",
        deprecated=True,
        request=inputs.DeployBody,
        responses={202: answers.Accepted, 200: answers.Accepted},
        examples=DEPLOY_EXAMPLES,
    )
    @idempotent
    def post(self, request: Request) -> Response:
        return started_answer(request, _deploy(self.body(inputs.DeployBody), self.user))


class OneDeployment(ApiView):
    """A deployment with its steps and the beginning of its log."""

    @described(
        operation_id="get_deployment",
        summary="Show a deployment",
        responses={200: answers.DeploymentAnswer},
        examples=[answers.DEPLOYMENT_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        deployment = queries.get_deployment(self.user, identifier)
        row = shown(shapes.DeploymentShape, deployment, request)
        return Response(
            {
                "success": True,
                "deployment": row,
                "steps": shown_all(shapes.StepShape, deployment.steps.all()),
                "logs": [shapes.line_shape(line) for line in logs.read(deployment, limit=FIRST_LINES)],
                "links": row["links"],
            }
        )


class Decision(ApiView):
    """Something that is decided about a deployment; each subclass names its action."""

    body_kind: ClassVar[type[StrictSerializer]] = NoBody

    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(self.body_kind)
        deployment = queries.get_deployment(self.user, identifier)
        return started_answer(request, self.decide(deployment, wish))

    def decide(self, deployment: Deployment, wish: dict[str, Any]) -> Started:
        """Each subclass calls its action here; this class itself is no route."""
        raise NotImplementedError


@answers.decision("cancel_deployment", "Cancel a deployment")
class Cancel(Decision):
    """Stop it; what it did is undone."""

    def decide(self, deployment: Deployment, wish: dict[str, Any]) -> Started:
        return Started(actions.cancel(deployment=deployment, by=self.user), created=True)


@answers.decision("retry_deployment", "Retry what failed")
class Retry(Decision):
    """Try again what failed."""

    def decide(self, deployment: Deployment, wish: dict[str, Any]) -> Started:
        return actions.retry(deployment=deployment, by=self.user)


@answers.decision("redeploy_deployment", "Put the deployment's release there again")
class Redeploy(Decision):
    """Put its release there once more."""

    def decide(self, deployment: Deployment, wish: dict[str, Any]) -> Started:
        return actions.redeploy(deployment=deployment, by=self.user)


@answers.decision(
    "roll_back_deployment",
    "Roll the deployment's environment back",
    request=inputs.RollbackBody,
    examples=[answers.ROLLBACK_EXAMPLE],
)
class Rollback(Decision):
    """Bring an earlier release back into the deployment's environment."""

    body_kind = inputs.RollbackBody

    def decide(self, deployment: Deployment, wish: dict[str, Any]) -> Started:
        release = _release_named(deployment, wish.get("release") or "")
        return actions.rollback(environment=deployment.environment, by=self.user, release=release)


def started_answer(request: Request, started: Started) -> Response:
    """202 for a deployment that was made, 200 with the same one when it was under way already."""
    deployment = started.deployment
    links = shapes.links_of(request, deployment)
    body = {
        "success": True,
        "deployment_id": str(deployment.uuid),
        "short_id": deployment.short_id,
        "number": deployment.number,
        "application": deployment.application.name,
        "environment": deployment.environment.name,
        "status": deployment.status,
        "links": links,
    }
    headers = {"Location": links["self"]}
    if not started.created:
        headers["Idempotent-Replay"] = "true"
    return Response(body, status=202 if started.created else 200, headers=headers)


def _deploy(wish: dict[str, Any], user: User) -> Started:
    """Start it; with the hash of a plan only while that holds."""
    mark = wish.get("plan_hash")
    if mark:
        return _carried_out(partial(planning.deploy_planned, plan_hash=mark), wish, user)
    return _carried_out(actions.deploy_url, wish, user)


def _carried_out(act: Callable[..., T], wish: dict[str, Any], user: User) -> T:
    """Do something with the wish; refusals name the fields by the words of the request."""
    name, target, words = _name_and_target(wish, user)
    words["git_url"] = "git_url" if wish.get("git_url") else "github_url"
    try:
        return act(
            git_url=wish.get("github_url") or wish.get("git_url") or "",
            image=wish.get("image") or "",
            by=user,
            name=name,
            target=target,
            instance_name=(wish.get("instance_name") or "") if target in NEW else "",
            instance_type=wish.get("instance_type") or "",
            region=wish.get("region") or "",
            context=wish.get("context"),
            options=_options(wish),
            branch=wish.get("branch") or "",
            environment=wish.get("environment") or "dev",
            container_port=wish.get("container_port"),
            host_port=wish.get("host_port"),
            variables=wish.get("env") or None,
        )
    except Invalid as refusal:
        raise ValidationError(
            {words.get(field, field): texts for field, texts in refusal.message_dict.items()}
        ) from None


def _options(wish: dict[str, Any]) -> dict[str, Any]:
    return {name: wish[name] for name in ("no_cache", "build_args") if wish.get(name)}


def _name_and_target(wish: dict[str, Any], user: User) -> tuple[str, str, dict[str, str]]:
    """`instance_name` is an older client's word for either: an instance if there is one, else the name."""
    name, target, other = (wish.get(field) or "" for field in ("name", "target", "instance_name"))
    words = {"public_port": "host_port", "key": "env", "value": "env"}
    if target in NEW:
        return name, target, words | {"instance": "target"}
    if other and not target and visible_instances(user).filter(name=other).exists():
        return name, other, words | {"target": "instance_name"}
    if other and not name:
        return other, target, words | {"name": "instance_name"}
    return name, target, words


def _release_named(deployment: Deployment, name: str) -> Release | None:
    if not name:
        return None
    number = name.removeprefix("v")
    if number.isascii() and number.isdecimal() and len(number) < 10:
        found = Release.objects.filter(environment=deployment.environment, number=int(number)).first()
        if found:
            return found
    raise ValidationError({"release": [f"{deployment.environment} has no release {name}."]})
