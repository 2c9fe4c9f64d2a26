"""What a deployment would do: the form of the answer to `?plan=1`."""

from typing import Any

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers
from rest_framework.response import Response

from deployments.api import answers
from deployments.planning import Finding, Item, Plan
from portal.api.describe import example, inline, shown
from portal.api.fields import Flag
from portal.api.parsing import StrictSerializer


class PlanQuery(StrictSerializer):
    """Whether to look only."""

    plan = Flag(
        default=False, help_text="Only say what would be done. Nothing is made, and nothing is started."
    )


class PlannedItem(serializers.Serializer[Item]):
    """One thing that is created, changed or kept."""

    kind = serializers.CharField(help_text="application, environment, machine, container, release and so on.")
    name = serializers.CharField()
    detail = serializers.CharField(allow_blank=True)


class PlanFinding(serializers.Serializer[Finding]):
    """Something that is in the way, or that one should know."""

    code = serializers.CharField()
    message = serializers.CharField()
    fix = serializers.CharField(allow_blank=True)


class PlanShape(serializers.Serializer[Plan]):
    """What would happen."""

    application = serializers.CharField()
    environment = serializers.CharField()
    instance = serializers.CharField()  # type: ignore[assignment]
    ref = serializers.CharField(allow_blank=True)
    commit = serializers.CharField(allow_blank=True)
    commit_subject = serializers.CharField(allow_blank=True)
    image = serializers.CharField(allow_blank=True)
    created = PlannedItem(many=True)
    changed = PlannedItem(many=True)
    kept = PlannedItem(many=True)
    blockers = PlanFinding(many=True, help_text="What is in the way, each with its fix.")
    warnings = PlanFinding(many=True)
    permissions = serializers.ListField(
        child=serializers.CharField(), help_text="What AWS has to allow, tried without doing it."
    )
    values = inline(
        "PlannedValue",
        {
            "name": serializers.CharField(),
            "value": serializers.CharField(),
            "source": serializers.ChoiceField(choices=["form", "application", "repo", "default"]),
        },
        many=True,
    )
    cost = inline(
        "PlannedCost",
        {
            "monthly_delta": serializers.CharField(
                allow_null=True, help_text="US dollars; null when not known."
            ),
            "hourly_delta": serializers.CharField(allow_null=True),
            "prices_of": serializers.DateField(),
            "note": serializers.CharField(),
        },
    )
    duration = inline(
        "PlannedDuration",
        {
            "seconds": serializers.FloatField(
                allow_null=True, help_text="The median; null when nothing is known."
            ),
            "runs": serializers.IntegerField(),
            "of": serializers.CharField(allow_blank=True, help_text="environment or instance_kind."),
        },
    )
    plan_hash = serializers.CharField(
        allow_blank=True, help_text="To send with the same body: deploys only while the plan holds."
    )


class PlanAnswer(serializers.Serializer[Any]):
    """What a deployment would do."""

    success = serializers.BooleanField()
    plan = PlanShape()


STARTED_OR_PLAN = PolymorphicProxySerializer(
    component_name="StartedOrPlan", serializers=[answers.Accepted, PlanAnswer], resource_type_field_name=None
)
PLAN_EXAMPLE = example(
    "A plan",
    {
        "success": True,
        "plan": {
            "application": "sentiment-api", "environment": "stage", "instance": "sentiment-stage", "ref": "main",
            "commit": answers.DEPLOYMENT["commit"], "commit_subject": "Answer faster",
            "image": "portal/sentiment-api:9fceb02d0ae5-1f0c2a3b",
            "created": [
                {"kind": "environment", "name": "stage", "detail": ""},
                {"kind": "machine", "name": "sentiment-stage", "detail": "t3.small in eu-central-1, 20 GB"},
            ],
            "changed": [],
            "kept": [{"kind": "application", "name": "sentiment-api", "detail": ""}],
            "blockers": [],
            "warnings": [],
            "permissions": ["ec2:RunInstances"],
            "values": [{"name": "Memory (MB)", "value": "512", "source": "repo"}],
            "cost": {
                "monthly_delta": "21.24", "hourly_delta": "0.0291", "prices_of": "2026-10-01",
                "note": "t3.small with 20 GB and a public address, without traffic.",
            },
            "duration": {"seconds": 184.0, "runs": 6, "of": "instance_kind"},
            "plan_hash": "-".join(["9f" * 32, *["0a1b2c3d"] * 7]),
        },
    },
)  # fmt: skip


def plan_answer(plan: Plan) -> Response:
    """A plan as JSON."""
    return Response({"success": True, "plan": shown(PlanShape, plan)})
