"""Pages cost a constant number of queries, however much there is to show."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from deployments.models import Environment, Variable
from deployments.states import Status
from portal.core.secrets import Secret
from tests import factories

pytestmark = pytest.mark.django_db

MOST = 15
PAGES = ["/", "/applications/", "/applications/?q=app", "/applications/app-0/", "/deployments/", "/deployments/?q=app",
         "/deploy/", "/instances/", "/instances/local/", "/account/tokens/"]  # fmt: skip


def fill(team: Any, first: int, count: int) -> None:
    for number in range(first, first + count):
        application = factories.application(f"app-{number}", of=team)
        for name in ("dev", "stage"):
            place = factories.environment(application, name)
            for release in (1, 2):
                live = factories.release(place, release)
            Environment.objects.filter(pk=place.pk).update(live_release=live)
            variable = Variable(environment=place, key="KEY")
            variable.value = Secret("x")
            variable.save()
            factories.deployment_at(Status.SUCCEEDED, of=place)
        factories.deployment_at(Status.FAILED, of=place)


@pytest.mark.parametrize("address", PAGES)
def test_a_page_costs_the_same_with_more_rows(
    address: str, client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    team = factories.team()
    fill(team, 0, 2)
    client.force_login(factories.user(of=team))
    client.get(address)
    with django_assert_max_num_queries(MOST) as few:
        client.get(address)
    fill(team, 2, 8)

    with django_assert_max_num_queries(len(few)):
        assert client.get(address).status_code == 200


@pytest.mark.parametrize("status", [Status.RUNNING, Status.SUCCEEDED, Status.FAILED, Status.QUEUED])
def test_the_page_of_a_deployment_costs_few_queries(
    status: Status, client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    deployment = factories.deployment_at(status)
    client.force_login(factories.user(of=deployment.application.team))

    with django_assert_max_num_queries(MOST):
        client.get(deployment.get_absolute_url())
    with django_assert_max_num_queries(12):
        client.get(f"{deployment.get_absolute_url()}steps/")
