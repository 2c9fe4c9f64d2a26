"""The log over HTTP and in the page: pages by number, search, the file, the panel."""

import re

import pytest
from django.db import connection, transaction
from django.template.loader import render_to_string
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import logs
from deployments.models import Deployment
from deployments.pipeline.claims import Claim
from deployments.states import Status
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def deployment() -> Deployment:
    team = factories.team()
    application = factories.application("churn-api", of=team)
    return factories.deployment_at(
        Status.RUNNING, of=factories.environment(application), lease_owner="me", fence=1
    )


@pytest.fixture
def client(deployment) -> Client:
    client = Client()
    client.force_login(factories.user(of=deployment.application.team))
    return client


def write(deployment: Deployment, *texts: str, step: int = 1) -> None:
    with transaction.atomic():
        logs.append(Claim(deployment.pk, 1, "me"), step, [("info", text) for text in texts])
    deployment.refresh_from_db()


def panel(deployment: Deployment) -> str:
    return render_to_string("deployments/_log.html", {"deployment": deployment})


def test_a_page_of_lines_says_where_it_ends_and_how_the_steps_are(client, deployment):
    write(deployment, *[f"line {number}" for number in range(10)])

    page = client.get(f"/deployments/{deployment.short_id}/log?after=3&limit=4").json()

    assert [line["seq"] for line in page["lines"]] == [4, 5, 6, 7]
    assert (page["seq"], page["count"], page["end"]) == (7, 10, None)
    assert [step["status"] for step in page["steps"]] == ["pending"] * 12


def test_a_finished_deployment_says_how_it_ended(client, deployment):
    Deployment.objects.update(status=Status.CANCELLED, finished_at=deployment.started_at)

    assert client.get(f"/deployments/{deployment.uuid}/log").json()["end"]["error"] == "It was cancelled."


@pytest.mark.parametrize(
    ("query", "numbers"),
    [("level=warning", [2, 3]), ("level=error", [3]), ("step=2", [4]), ("after=x&limit=-1&level=x", [1, 2, 3, 4]),
     ("limit=0", [1]), ("after=99999999999999999999", [1, 2, 3, 4])],
)  # fmt: skip
def test_lines_can_be_chosen_and_nonsense_is_left_out(client, deployment, query, numbers):
    write(deployment, "fine", "WARNING: a", "ERROR: b")
    write(deployment, "other", step=2)

    page = client.get(f"/deployments/{deployment.short_id}/log?{query}").json()

    assert [line["seq"] for line in page["lines"]] == numbers


def test_a_search_answers_numbers(client, deployment):
    write(deployment, "one needle", "two", "NEEDLE")

    assert client.get(f"/deployments/{deployment.short_id}/log?find=needle").json() == {"numbers": [1, 3]}


def test_the_file_is_named_after_application_number_id_and_time(client, deployment):
    write(deployment, "\x1b[31mred\x1b[0m")

    answer = client.get(f"/deployments/{deployment.short_id}/log.txt")

    assert re.fullmatch(
        rf'attachment; filename="churn-api-1-{deployment.short_id}-\d{{8}}-\d{{4}}\.txt"',
        answer["Content-Disposition"],
    )
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.getvalue().decode().endswith(" red\n")


@pytest.mark.parametrize("path", ["log", "log.txt"])
def test_strangers_find_nothing(deployment, path):
    stranger = Client()
    assert stranger.get(f"/deployments/{deployment.short_id}/{path}").status_code == 302
    stranger.force_login(factories.user())
    assert stranger.get(f"/deployments/{deployment.short_id}/{path}").status_code == 404


def test_the_panel_shows_text_and_colours_and_nothing_that_acts(deployment):
    write(deployment, "<script>alert(1)</script>", "\x1b[31m<b>\x1b[0m", '" onload="x', "{{ 7 }}{% debug %}")

    html = panel(deployment)

    assert "<script>" not in html
    assert '<span class="fg-1">&lt;b&gt;</span>' in html
    assert "&quot; onload=&quot;x" in html
    assert "{{ 7 }}{% debug %}" in html
    assert 'id="L4"' in html


def test_the_panel_opens_what_runs_or_failed_and_folds_what_went_well(deployment):
    write(deployment, "a")
    write(deployment, "b", step=2)
    write(deployment, "ERROR: c", step=3)
    for number, status in ((1, "succeeded"), (2, "running"), (3, "failed")):
        deployment.steps.filter(number=number).update(status=status)

    html = panel(deployment)

    assert re.findall(r'data-step="(\d)"( open)?', html) == [("1", ""), ("2", " open"), ("3", " open")]
    assert 'data-error="3"' in html
    assert 'data-after="3"' in html


def test_a_long_log_begins_with_its_newest_lines_and_says_how_many_are_missing(deployment):
    write(deployment, *["early"] * 400)
    write(deployment, *["late"] * 700, step=2)

    html = panel(deployment)

    assert html.count('class="log-line ') == 500
    assert 'data-after="0" data-upto="400"' in html
    assert 'data-after="400" data-upto="600"' in html


def test_an_empty_log_says_so(deployment):
    assert "The first lines appear here" in panel(deployment)


def test_the_panel_costs_the_same_however_long_the_log_is(deployment):
    deployment.steps.filter(number=1).update(status="failed")
    write(deployment, "ERROR: x")
    with CaptureQueriesContext(
        connection,
    ) as short:
        panel(deployment)
    for _ in range(60):
        write(deployment, *["x" * 50] * 50)
    with CaptureQueriesContext(connection) as long:
        panel(deployment)

    assert len(short) == len(long) == 5
