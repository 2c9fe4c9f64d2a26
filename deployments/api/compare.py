"""What is different between two deployments."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from deployments import compare, queries
from deployments.api import answers, shapes
from deployments.compare import Comparison
from deployments.models import Deployment
from portal.api.base import ApiView
from portal.api.describe import described, example, inline, shown
from portal.api.fields import PlainText
from portal.api.parsing import QueryInvalid, StrictSerializer
from portal.core.errors import Invalid, NotFound


class CompareQuery(StrictSerializer):
    """With which other deployment."""

    with_ = PlainText(
        max_length=40, required=False,
        help_text="Id of a deployment of the same application. Default: the last one before that went live.",
    )  # fmt: skip

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        # `with` cannot be the name of a Python attribute.
        fields["with"] = fields.pop("with_")
        return fields


class ComparisonShape(serializers.Serializer[Comparison]):
    """Two deployments, the older one as `before`."""

    before = shapes.DeploymentShape()
    after = shapes.DeploymentShape()
    steps = inline(
        "StepTimes",
        {
            "key": serializers.CharField(),
            "title": serializers.CharField(),
            "before": serializers.FloatField(allow_null=True, help_text="Seconds."),
            "after": serializers.FloatField(allow_null=True, help_text="Seconds."),
            "slower_by": serializers.FloatField(allow_null=True, help_text="Seconds; negative is faster."),
        },
        many=True,
    )
    commits = inline(
        "ComparedCommit",
        {
            "commit": serializers.CharField(),
            "subject": serializers.CharField(),
            "release": serializers.CharField(),
        },
        many=True,
        help_text="Those of all releases from one to the other, newest first.",
    )
    settings = inline(
        "ComparedSetting",
        {
            "name": serializers.CharField(),
            "before": serializers.CharField(),
            "after": serializers.CharField(),
        },
        many=True,
    )
    variables = inline(
        "ComparedVariables",
        {
            word: serializers.ListField(child=serializers.CharField())
            for word in ("added", "removed", "changed")
        },
        allow_null=True,
        help_text="Names only; null where one may not see them, or one made no release.",
    )
    image_sizes = serializers.ListField(child=serializers.IntegerField(allow_null=True), help_text="Bytes.")
    growth = serializers.IntegerField(allow_null=True, help_text="Bytes that the image grew by.")


class CompareAnswer(serializers.Serializer[Any]):
    """What is different."""

    success = serializers.BooleanField()
    comparison = ComparisonShape()


_EXAMPLE = example(
    "Two deployments",
    {
        "success": True,
        "comparison": {
            "before": {**answers.DEPLOYMENT, "number": 6, "release": "v2"},
            "after": answers.DEPLOYMENT,
            "steps": [
                {"key": "build", "title": "Build image", "before": 40.1, "after": 52.6, "slower_by": 12.5}
            ],
            "commits": [
                {"commit": answers.DEPLOYMENT["commit"], "subject": "Answer faster", "release": "v3"}
            ],
            "settings": [{"name": "Memory (MB)", "before": "1024", "after": "2048"}],
            "variables": {"added": [], "removed": [], "changed": ["API_KEY"]},
            "image_sizes": [183500800, 191889408],
            "growth": 8388608,
        },
    },
)


class Compare(ApiView):
    """A deployment beside another one of the same application."""

    parameters = {"GET": CompareQuery}

    @described(
        operation_id="compare_deployments",
        summary="Compare two deployments",
        parameters=[CompareQuery],
        responses={200: CompareAnswer},
        examples=[_EXAMPLE],
    )
    def get(self, request: Request, identifier: str) -> Response:
        deployment = queries.get_deployment(self.user, identifier)
        try:
            found = compare.compare(self.user, deployment, self._other(deployment))
        except Invalid as refusal:
            raise QueryInvalid(refusal.message_dict) from None
        return Response({"success": True, "comparison": shown(ComparisonShape, found, request)})

    def _other(self, deployment: Deployment) -> Deployment:
        wanted = self.query.get("with", "")
        try:
            found = (
                queries.get_deployment(self.user, wanted)
                if wanted
                else compare.usual_other(self.user, deployment)
            )
        except NotFound:
            found = None
        if found is None:
            raise QueryInvalid({"with": ["Name another deployment of the same application by its id."]})
        return found
