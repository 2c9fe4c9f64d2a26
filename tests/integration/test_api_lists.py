"""Lists: whole when one follows the links, scoped, filtered, and cheap however long."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from deployments.models import Deployment, Environment
from portal.core.models import User
from tests import factories
from tests.integration.api_client import ApiClient, is_problem, many_deployments

pytestmark = pytest.mark.django_db
LIST = "/api/v1/deployments"


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


@pytest.fixture
def api(ada: User) -> ApiClient:
    return ApiClient(ada)


@pytest.fixture
def place(ada: User) -> Environment:
    return factories.environment(factories.application("churn", of=ada.memberships.get().team))


def walk(api: ApiClient, url: str, link: str = "next") -> list[list[int]]:
    """The numbers of all pages, from one to the next by the link."""
    pages = []
    while url:
        answer = api.client.get(url, headers=api.headers).json()
        pages.append([row["number"] for row in answer["deployments"]])
        url = answer[link]
        assert len(pages) < 50
    return pages


def test_following_next_shows_every_row_once_newest_first(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 23)
    pages = walk(api, f"{LIST}?limit=5")
    assert [number for page in pages for number in page] == list(range(23, 0, -1))
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]


def test_following_previous_leads_back_the_same_way(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 12)
    last = f"{LIST}?limit=5&after={Deployment.objects.get(number=3).uuid}"
    assert walk(api, last, "previous") == [[2, 1], [7, 6, 5, 4, 3], [12, 11, 10, 9, 8]]


def test_the_oldest_can_come_first(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 7)
    assert walk(api, f"{LIST}?limit=3&ordering=created") == [[1, 2, 3], [4, 5, 6], [7]]


def test_rows_that_come_in_meanwhile_move_no_page(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 10)
    first = api.get(LIST, limit=5).json()
    many_deployments(place, 5)
    second = api.client.get(first["next"], headers=api.headers).json()
    assert [row["number"] for row in second["deployments"]] == [5, 4, 3, 2, 1]


def test_pages_can_be_asked_for_by_number(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 12)
    answer = api.get(LIST, page=2, page_size=5).json()
    assert [row["number"] for row in answer["deployments"]] == [7, 6, 5, 4, 3]
    following = api.client.get(answer["next"], headers=api.headers).json()
    assert [row["number"] for row in following["deployments"]] == [2, 1]
    before = api.client.get(answer["previous"], headers=api.headers).json()
    assert [row["number"] for row in before["deployments"]] == [12, 11, 10, 9, 8]


def test_pages_by_number_end_before_they_become_dear(api: ApiClient) -> None:
    assert "next" in is_problem(api.get(LIST, page=201), 404)["detail"]


def test_a_page_has_its_rows_under_their_noun_and_under_v1_as_results_too(
    api: ApiClient, place: Environment
) -> None:
    many_deployments(place, 2)
    short, versioned = api.get("/api/deployments").json(), api.get(LIST).json()
    assert set(short) == {"success", "count", "deployments", "next", "previous"}
    assert versioned["results"] == versioned["deployments"]
    assert (short["success"], short["count"]) == (True, 2)


def test_filters_stay_in_the_links(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 3, status="failed")
    many_deployments(place, 3, status="succeeded")
    answer = api.get(LIST, limit=2, status="failed").json()
    assert "status=failed" in answer["next"]
    assert {row["status"] for row in answer["deployments"]} == {"failed"}


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"status": "failed"}, [2]),
        ({"status": "success"}, [1]),
        ({"application": "churn"}, [2, 1]),
        ({"app_id": "churn"}, [2, 1]),
        ({"application": "other"}, []),
        ({"environment": "dev"}, [2, 1]),
        ({"env": "prod"}, []),
    ],
)
def test_filters(api: ApiClient, place: Environment, query: dict[str, str], numbers: list[int]) -> None:
    many_deployments(place, 1, status="succeeded")
    many_deployments(place, 1, status="failed")
    assert [row["number"] for row in api.get(LIST, **query).json()["deployments"]] == numbers


def test_filter_by_the_id_of_the_application_and_by_time(api: ApiClient, place: Environment) -> None:
    many_deployments(place, 2)
    Deployment.objects.filter(number=1).update(created_at=timezone.now() - timedelta(days=2))
    yesterday = (timezone.now() - timedelta(days=1)).isoformat()
    answer = api.get(LIST, app_id=str(place.application.uuid), created_after=yesterday).json()
    assert [row["number"] for row in answer["deployments"]] == [2]


def test_other_teams_rows_are_neither_shown_nor_taken_as_a_place_to_go_on(
    api: ApiClient, place: Environment
) -> None:
    many_deployments(place, 3)
    (foreign,) = many_deployments(factories.environment(), 1)
    assert len(api.get(LIST).json()["deployments"]) == 3
    assert api.get(LIST, after=str(foreign.uuid)).json()["deployments"] == []


@pytest.mark.parametrize("query", [{}, {"page": 1}, {"status": "failed"}, {"ordering": "created"}])
def test_a_long_list_costs_as_many_queries_as_a_short_one(
    api: ApiClient, place: Environment, query: dict[str, Any]
) -> None:
    many_deployments(place, 3)
    few = _queries(api, LIST, query)
    many_deployments(place, 30)
    assert _queries(api, LIST, query) == few <= 6


@pytest.mark.parametrize("noun", ["applications", "instances", "stats"])
def test_the_other_lists_too(api: ApiClient, ada: User, noun: str) -> None:
    team = ada.memberships.get().team

    def add(count: int) -> None:
        for _ in range(count):
            many_deployments(factories.environment(factories.application(of=team)), 1)

    add(3)
    few = _queries(api, f"/api/v1/{noun}", {})
    add(30)
    assert _queries(api, f"/api/v1/{noun}", {}) == few <= 6


def test_a_detail_with_many_steps_lines_and_neighbours_costs_the_same(
    api: ApiClient, place: Environment
) -> None:
    deployment = factories.deployment_at("failed", of=place)
    few = _queries(api, f"{LIST}/{deployment.uuid}", {}), _queries(api, "/api/v1/applications/churn", {})
    many_deployments(place, 30)
    many = _queries(api, f"{LIST}/{deployment.uuid}", {}), _queries(api, "/api/v1/applications/churn", {})
    assert many == few
    assert max(many) <= 7


def _queries(api: ApiClient, path: str, query: dict[str, Any]) -> int:
    api.get(path, **query)  # the first use of the token is noted
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert api.get(path, **query).status_code == 200
    return len(captured)
