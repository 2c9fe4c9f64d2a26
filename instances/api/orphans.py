"""What AWS or a host has and the portal has not, or the other way round."""

from rest_framework.request import Request
from rest_framework.response import Response

from instances import actions, queries
from instances.api import inputs, shapes
from instances.api.machines import team_named
from portal.api.base import ApiView
from portal.api.describe import described, list_shape, request_example, shown, shown_all
from portal.api.idempotency import idempotent
from portal.api.paging import Page, list_answer

ORPHANS = list_shape("OrphanList", "orphans", shapes.OrphanShape)


class Orphans(ApiView):
    """What is on one side only."""

    @described(
        operation_id="list_orphans",
        summary="List what only AWS or only the portal knows",
        responses={200: ORPHANS},
        examples=[shapes.ORPHANS_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        rows = queries.visible_orphans(self.user)
        return list_answer(
            request, "orphans", shown_all(shapes.OrphanShape, rows, request), Page(rows, None, None)
        )


class Adopt(ApiView):
    """Taking a machine over."""

    @described(
        operation_id="adopt_orphan",
        summary="Take over a machine that AWS has",
        description="Before anything is sent to it, its host key has to be confirmed.",
        request=inputs.AdoptBody,
        responses={201: shapes.DoneAnswer},
        examples=[request_example("A name for it", {"name": "churn-prod"}), shapes.MADE_EXAMPLE],
    )
    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.AdoptBody)
        orphan = queries.get_orphan(self.user, identifier)
        team = team_named(self.user, wish.get("team"), "instance.manage")
        made = actions.adopt(orphan=orphan, by=self.user, name=wish["name"], team=team)
        row = shown(shapes.InstanceShape, queries.get_instance(self.user, made.name), request)
        return Response({"success": True, "instance": row}, status=201)


class Delete(ApiView):
    """Deleting what nobody uses."""

    @described(
        operation_id="delete_orphan",
        summary="Have an orphan deleted",
        request=inputs.OrphanConfirm,
        responses={202: shapes.OrphanAnswer},
        examples=[
            request_example("Its id once more", {"confirm": "i-0123456789abcdef0"}),
            shapes.ORPHAN_EXAMPLE,
        ],
    )
    @idempotent
    def post(self, request: Request, identifier: str) -> Response:
        wish = self.body(inputs.OrphanConfirm)
        orphan = queries.get_orphan(self.user, identifier)
        actions.delete_orphan(orphan=orphan, by=self.user, confirm=wish["confirm"])
        body = {"success": True, "orphan": shown(shapes.OrphanShape, orphan, request)}
        return Response(body, status=202)
