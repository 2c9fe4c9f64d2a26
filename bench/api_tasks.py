"""What bench.api does inside a portal: rows, and timed requests through the whole of Django.

python -m bench.api_tasks fill ROWS | ask keyset-first|keyset-deep|offset-first|offset-deep|stats COUNT
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from deployments import queries  # noqa: E402
from deployments.api.shapes import DeploymentShape  # noqa: E402
from deployments.models import Application, Deployment, Environment  # noqa: E402
from instances.models import Instance  # noqa: E402
from portal import urls  # noqa: E402
from portal.api.base import ApiView  # noqa: E402
from portal.api.describe import shown_all  # noqa: E402
from portal.api.parsing import StrictSerializer  # noqa: E402
from portal.core import tokens  # noqa: E402
from portal.core.models import Membership, Team, User  # noqa: E402

PAGE = 50
TEAMS, APPLICATIONS = 6, 120
WARM_UP = 3


class NoLimits(StrictSerializer):
    """Takes any parameter."""

    def to_internal_value(self, data: Any) -> Any:
        return dict(data)


class ByOffset(ApiView):
    """The alternative: the same rows in the same shape, counted and skipped as limit-offset does."""

    parameters = {"GET": NoLimits}

    def get(self, request: Request) -> Response:
        rows = queries.visible_deployments(self.user).order_by("-id")
        start = int(self.query["offset"])
        page = rows[start : start + PAGE]
        return Response({"count": rows.count(), "results": shown_all(DeploymentShape, page, request)})


urls.urlpatterns.insert(0, path("api/v1/by-offset", ByOffset.as_view()))


def fill(rows: int) -> None:
    """Teams, applications, and so many deployments, of which the asking person sees half."""
    if not User.objects.filter(username="bench").exists():
        _people()
    have = Deployment.objects.count()
    series = (
        "WITH RECURSIVE s(n) AS (SELECT %s + 1 UNION ALL SELECT n + 1 FROM s WHERE n < %s) SELECT n FROM s"
        if connection.vendor == "sqlite"
        else "SELECT generate_series(%s + 1, %s) AS n"
    )
    first = Application.objects.order_by("id").values_list("id", flat=True)[0]
    place = Environment.objects.order_by("id").values_list("id", flat=True)[0]
    instance = Instance.objects.values_list("id", flat=True)[0]
    user = User.objects.values_list("id", flat=True)[0]
    hexadecimal = "lower(hex(randomblob(16)))" if connection.vendor == "sqlite" else "gen_random_uuid()"
    short = (
        "substr(lower(hex(randomblob(4))), 1, 8)"
        if connection.vendor == "sqlite"
        else "substr(md5(n::text), 1, 8)"
    )
    columns = {
        "uuid": hexadecimal, "short_id": short, "application_id": f"{first} + n %% {APPLICATIONS}",
        "environment_id": f"{place} + n %% {APPLICATIONS}", "instance_id": str(instance), "number": "n",
        "kind": "'deploy'", "source": "'api'",
        "status": "CASE WHEN n %% 7 = 0 THEN 'failed' ELSE 'succeeded' END",
        "requested_by_id": str(user), "ref": "'main'", "commit": "'9fceb02d0ae598e95dc970b74767f19372d61af8'",
        "commit_subject": "'Answer faster'", "options": "'{}'", "facts": "'{}'", "evidence": "'{}'",
        "url": "'http://127.0.0.1:20000/'", "created_at": "CURRENT_TIMESTAMP", "started_at": "CURRENT_TIMESTAMP",
        "finished_at": "CURRENT_TIMESTAMP", "ending": "''", "failure_code": "''", "failure_detail": "''",
        "traffic_moved": "true", "lease_owner": "''", "fence": "1", "log_count": "0", "log_bytes": "0",
    }  # fmt: skip
    names = ", ".join(f'"{name}"' for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO deployments_deployment ({names}) SELECT {', '.join(columns.values())} FROM ({series}) AS series",
            [have, rows],
        )
        cursor.execute("ANALYZE")


def _people() -> None:
    user = User.objects.create_user("bench")
    teams = [Team.objects.create(name=f"Team {number}", slug=f"team-{number}") for number in range(TEAMS)]
    for team in teams[: TEAMS // 2]:
        Membership.objects.create(user=user, team=team, role="deployer")
    instance = Instance.objects.create(name="bench", kind="local", status="running")
    applications = Application.objects.bulk_create(
        Application(
            name=f"app-{number}", team=teams[number % TEAMS], git_url=f"https://github.com/acme/app-{number}"
        )
        for number in range(APPLICATIONS)
    )
    Environment.objects.bulk_create(
        Environment(application=application, instance=instance) for application in applications
    )


def ask(what: str, count: int) -> list[float]:
    """The milliseconds of each of so many requests."""
    user = User.objects.get(username="bench")
    _, secret = tokens.create(user=user, name=what, scopes=["read"], by=user)
    client, headers = Client(headers={"host": "localhost"}), {"Authorization": f"Bearer {secret.reveal()}"}
    url = ADDRESSES[what]()
    took = []
    for number in range(count + WARM_UP):
        began = time.perf_counter()
        response = client.get(url, headers=headers)
        took.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, response.content
        if what != "stats":
            assert len(response.json()["results"]) == PAGE
        if number < WARM_UP:
            took.clear()
    return took


def _deep() -> str:
    rows = queries.visible_deployments(User.objects.get(username="bench")).order_by("-id")
    return f"/api/v1/deployments?limit={PAGE}&after={rows.values_list('uuid', flat=True)[_far(rows.count())]}"


def _deep_offset() -> str:
    rows = queries.visible_deployments(User.objects.get(username="bench"))
    return f"/api/v1/by-offset?offset={_far(rows.count())}"


def _far(count: int) -> int:
    """Close to the end, with a whole page left."""
    return min(int(count * 0.95), count - 2 * PAGE)


ADDRESSES: dict[str, Callable[[], str]] = {
    "keyset-first": lambda: f"/api/v1/deployments?limit={PAGE}",
    "keyset-deep": _deep,
    "offset-first": lambda: "/api/v1/by-offset?offset=0",
    "offset-deep": _deep_offset,
    "stats": lambda: "/api/v1/stats",
}

if __name__ == "__main__":
    if sys.argv[1] == "fill":
        fill(int(sys.argv[2]))
    else:
        print(json.dumps(ask(sys.argv[2], int(sys.argv[3]))))
