"""The admin: everything can be looked at, state cannot be edited, work goes through the actions."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse

from deployments.models import Application, Deployment, Environment, Variable
from deployments.states import Status
from instances.models import Instance
from portal.core import tokens
from portal.core.models import AuditEvent, Membership, Role, Team, User
from portal.core.secrets import Secret
from tests import factories

pytestmark = pytest.mark.django_db

LISTS = [
    f"admin:{model}_changelist"
    for model in ("deployments_application", "deployments_environment", "deployments_deployment", "deployments_release",
                  "instances_instance", "core_user", "core_team", "core_token", "core_auditevent")
]  # fmt: skip


@pytest.fixture
def team() -> Team:
    return factories.team("Data")


@pytest.fixture
def root(client: Client, team: Team) -> User:
    """A portal admin who is a team admin, too."""
    person = factories.portal_admin()
    Membership.objects.create(user=person, team=team, role=Role.ADMIN)
    client.force_login(person)
    return person


@pytest.fixture
def staff(client: Client, team: Team) -> User:
    """A deployer with access to the admin, and nothing more."""
    person = factories.user("dora", role=Role.DEPLOYER, of=team, is_staff=True)
    client.force_login(person)
    return person


def place_of(team: Team, name: str = "churn-api", **fields: Any) -> Environment:
    return factories.environment(factories.application(name, of=team, **fields))


def act(client: Client, model: str, action: str, *rows: Any) -> str:
    """Choose an action of a list for these rows; what the page says afterwards."""
    fields = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(f"admin:{model}_changelist"), fields, follow=True).content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_lists_cost_the_same_with_more_rows(
    name: str, root: User, team: Team, client: Client, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    def fill(count: int) -> None:
        for _ in range(count):
            place = factories.environment(factories.application(of=team))
            Environment.objects.filter(pk=place.pk).update(live_release=factories.release(place))
            factories.deployment_at(Status.FAILED, of=place, requested_by=root)
            tokens.create(user=root, name="CI", scopes=["read"], by=factories.portal_admin(f"by-{place.pk}"))

    fill(2)
    client.get(reverse(name))
    with django_assert_max_num_queries(15) as few:
        client.get(reverse(name))
    fill(6)

    with django_assert_max_num_queries(len(few)):
        assert client.get(reverse(name)).status_code == 200


@pytest.mark.parametrize("name", LISTS)
def test_lists_can_be_searched(name: str, root: User, team: Team, client: Client) -> None:
    place_of(team)

    assert client.get(reverse(name), {"q": "churn"}).status_code == 200


def test_only_our_own_models_are_there() -> None:
    labels = {model._meta.label for model in admin.site._registry}

    assert labels == {
        "deployments.Application", "deployments.Environment", "deployments.Deployment", "deployments.Release",
        "instances.Instance",
        "instances.Orphan", "core.User", "core.Team", "core.Token", "core.AuditEvent",
    }  # fmt: skip


def test_the_first_page_groups_them(root: User, client: Client) -> None:
    page = client.get(reverse("admin:index")).content.decode()

    assert page.index("Operate") < page.index("Access")
    assert "Recent actions" not in page


@pytest.mark.parametrize("model", ["deployments_deployment", "deployments_release", "core_auditevent"])
def test_history_cannot_be_added_changed_or_deleted(
    model: str, root: User, team: Team, client: Client
) -> None:
    place = place_of(team)
    rows = {
        "deployments_deployment": factories.deployment_at(Status.FAILED, of=place),
        "deployments_release": factories.release(place),
        "core_auditevent": AuditEvent.objects.create(action="x", hash="h"),
    }
    address = reverse(f"admin:{model}_change", args=[rows[model].pk])

    page = client.get(address).content.decode()

    assert client.get(reverse(f"admin:{model}_add")).status_code == 403
    assert client.post(address, {"status": "succeeded"}).status_code == 403
    assert (
        client.post(reverse(f"admin:{model}_delete", args=[rows[model].pk]), {"post": "yes"}).status_code
        == 403
    )
    assert 'name="_save"' not in page


def test_staff_see_only_what_is_their_teams(staff: User, team: Team, client: Client) -> None:
    place_of(team, "mine")
    foreign = place_of(factories.team("Other"), "foreign")
    deployment = factories.deployment_at(Status.FAILED, of=foreign)

    for model in ("application", "environment", "deployment"):
        assert "foreign" not in client.get(reverse(f"admin:deployments_{model}_changelist")).content.decode()
    gone = client.get(reverse("admin:deployments_deployment_change", args=[deployment.pk]))
    assert gone.status_code == 302  # Django leads back to the first page, as for a row that is not there.
    assert gone["Location"] == reverse("admin:index")


def test_people_without_staff_access_are_sent_to_the_portal(client: Client) -> None:
    client.force_login(factories.user("ada"))

    answer = client.get(reverse("admin:index"), follow=True)

    assert answer.redirect_chain[-1][0] == reverse("overview")


def test_actions_go_through_the_doors_and_answer_for_each_row(root: User, team: Team, client: Client) -> None:
    running = factories.deployment_at(Status.RUNNING, of=place_of(team))
    done = factories.deployment_at(Status.SUCCEEDED, of=place_of(team, "other"))

    page = act(client, "deployments_deployment", "cancel", running, done)

    running.refresh_from_db()
    assert running.status == Status.CANCELLING
    assert "churn-api #1: is being cancelled." in page
    assert "other #1: It has ended already: succeeded." in page
    assert AuditEvent.objects.get(action="deployment.cancel", allowed=True).surface == "admin"


@pytest.mark.parametrize("action", ["deploy", "roll_back", "stop", "start", "restart"])
def test_environments_are_operated_from_their_list(
    action: str, root: User, team: Team, client: Client
) -> None:
    place = place_of(team)
    factories.release(place, 1)
    Environment.objects.filter(pk=place.pk).update(live_release=factories.release(place, 2))

    page = act(client, "deployments_environment", action, place)

    assert "churn-api/dev:" in page
    assert Deployment.objects.count() == (1 if action in ("deploy", "roll_back") else 0)


def test_an_application_is_deployed_from_its_list(root: User, team: Team, client: Client) -> None:
    place = place_of(team)
    factories.environment(place.application, "prod", protected=True)

    act(client, "deployments_application", "deploy", place.application)

    assert [row.environment.name for row in Deployment.objects.all()] == ["dev"]


@pytest.mark.parametrize("action", ["retry", "redeploy", "roll_back"])
def test_deployments_are_repeated_from_their_list(
    action: str, root: User, team: Team, client: Client
) -> None:
    place = place_of(team)
    factories.release(place, 1)
    live = factories.release(place, 2)
    Environment.objects.filter(pk=place.pk).update(live_release=live)
    old = factories.deployment_at(Status.FAILED, of=place, release=live)

    act(client, "deployments_deployment", action, old)

    assert Deployment.objects.count() == 2


def test_a_deployment_carries_its_buttons(root: User, team: Team, client: Client) -> None:
    failed = factories.deployment_at(Status.FAILED, of=place_of(team))

    page = client.get(reverse("admin:deployments_deployment_change", args=[failed.pk])).content.decode()

    assert "Open live log" in page
    assert reverse("deployment-retry", args=[failed.short_id]) in page
    assert reverse("deployment-cancel", args=[failed.short_id]) not in page


def test_an_application_is_made_and_changed_by_the_actions(root: User, team: Team, client: Client) -> None:
    fields = {"name": "made", "team": team.pk, "git_url": "https://github.com/acme/made", "dockerfile": "Dockerfile",
              "health_path": "/health", "memory_mb": 512, "cpus": "1"}  # fmt: skip

    client.post(reverse("admin:deployments_application_add"), fields)
    made = Application.objects.get()
    page = client.get(reverse("admin:deployments_application_change", args=[made.pk])).content.decode()
    inlines = {"environments-TOTAL_FORMS": 0, "environments-INITIAL_FORMS": 0}
    client.post(
        reverse("admin:deployments_application_change", args=[made.pk]),
        fields | inlines | {"health_path": "/ready", "git_token": "ghp_canary"},
    )

    made.refresh_from_db()
    assert made.created_by == root
    assert made.health_path == "/ready"
    assert made.git_token.reveal() == "ghp_canary"
    assert "?git_url=https%3A%2F%2Fgithub.com%2Facme%2Fmade&amp;name=made" in page
    assert {"application.create", "application.update"} <= set(
        AuditEvent.objects.values_list("action", flat=True)
    )
    assert (
        "ghp_canary"
        not in client.get(reverse("admin:deployments_application_change", args=[made.pk])).content.decode()
    )


def test_a_viewer_with_staff_access_cannot_change_an_application(team: Team, client: Client) -> None:
    client.force_login(factories.user("vera", role=Role.VIEWER, of=team, is_staff=True))
    application = place_of(team).application

    answer = client.post(
        reverse("admin:deployments_application_change", args=[application.pk]), {"health_path": "/x"}
    )

    assert answer.status_code == 403


def variable_fields(place: Environment, **fields: Any) -> dict[str, Any]:
    base = {
        "branch": place.branch,
        "hostnames": "[]",
        "initial-hostnames": "[]",
        "proxy_options": "{}",
        "initial-proxy_options": "{}",
        "on_failure": place.on_failure,
        "variables-TOTAL_FORMS": 1,
        "variables-INITIAL_FORMS": 0,
        "variables-0-environment": place.pk,
    }
    return base | {f"variables-0-{name}": value for name, value in fields.items()}


def test_a_variable_is_written_in_the_admin_and_never_shown(root: User, team: Team, client: Client) -> None:
    place = place_of(team)
    address = reverse("admin:deployments_environment_change", args=[place.pk])

    client.post(address, variable_fields(place, key="API_KEY", new_value="canary-1", secret="on"))
    page = client.get(address).content.decode()

    assert place.variables.get().value.reveal() == "canary-1"
    assert "API_KEY" in page
    assert "canary-1" not in page
    assert place.variables.get().value_sealed not in page


def test_a_variable_keeps_its_value_when_nothing_is_entered(root: User, team: Team, client: Client) -> None:
    place = place_of(team)
    variable = Variable(environment=place, key="MODE", secret=True)
    variable.value = Secret("canary-1")
    variable.save()
    fields = variable_fields(place, id=variable.pk, new_value="") | {"variables-INITIAL_FORMS": 1}

    client.post(reverse("admin:deployments_environment_change", args=[place.pk]), fields)

    variable.refresh_from_db()
    assert variable.secret is False
    assert variable.value.reveal() == "canary-1"


def test_a_variable_is_removed_in_the_admin(root: User, team: Team, client: Client) -> None:
    place = place_of(team)
    variable = Variable(environment=place, key="OLD")
    variable.value = Secret("x")
    variable.save()
    fields = variable_fields(place, id=variable.pk, DELETE="on") | {"variables-INITIAL_FORMS": 1}

    client.post(reverse("admin:deployments_environment_change", args=[place.pk]), fields)

    assert not place.variables.exists()
    assert AuditEvent.objects.filter(action="variable.removed").exists()


def test_nobody_raises_his_own_rights(root: User, staff: User, client: Client) -> None:
    client.force_login(staff)
    by_staff = client.post(
        reverse("admin:core_user_change", args=[staff.pk]), {"username": "dora", "is_superuser": "on"}
    )
    client.force_login(root)
    page = client.get(reverse("admin:core_user_change", args=[root.pk])).content.decode()

    staff.refresh_from_db()
    assert by_staff.status_code == 403
    assert not staff.is_superuser
    assert 'name="is_superuser"' not in page


def test_a_portal_admin_makes_a_person_staff_and_the_audit_says_so(root: User, client: Client) -> None:
    ada = factories.user("ada", role=None)
    inline = {"memberships-TOTAL_FORMS": 0, "memberships-INITIAL_FORMS": 0}
    fields = inline | {"username": "ada", "is_active": "on", "is_staff": "on"}

    client.post(reverse("admin:core_user_change", args=[ada.pk]), fields)

    ada.refresh_from_db()
    assert ada.is_staff
    event = AuditEvent.objects.get(action="user.changed")
    assert event.actor == root
    assert "Staff status" in str(event.details)


def test_a_new_person_is_made_with_a_password(root: User, client: Client) -> None:
    fields = {
        "username": "new",
        "usable_password": "true",
        "password1": "correct horse battery",
        "password2": "correct horse battery",
    }

    client.post(reverse("admin:core_user_add"), fields)

    assert User.objects.get(username="new").check_password("correct horse battery")


def test_a_team_admin_decides_about_members_of_his_team_only(team: Team, client: Client) -> None:
    client.force_login(factories.user("lead", role=Role.ADMIN, of=team, is_staff=True))
    ada = factories.user("ada", role=Role.VIEWER, of=team)
    membership = ada.memberships.get()
    fields = {"name": "Data", "memberships-TOTAL_FORMS": 1, "memberships-INITIAL_FORMS": 1, "memberships-0-id": membership.pk,
              "memberships-0-team": team.pk, "memberships-0-user": ada.pk, "memberships-0-role": Role.DEPLOYER}  # fmt: skip

    client.post(reverse("admin:core_team_change", args=[team.pk]), fields)
    foreign = client.get(reverse("admin:core_team_change", args=[factories.team("Other").pk]))

    membership.refresh_from_db()
    assert membership.role == Role.DEPLOYER
    assert foreign["Location"] == reverse("admin:index")
    assert AuditEvent.objects.filter(action="team.changed").exists()


def test_tokens_are_revoked_in_the_admin(root: User, client: Client) -> None:
    token, secret = tokens.create(user=root, name="CI", scopes=["read"], by=root)

    page = act(client, "core_token", "revoke", token)

    token.refresh_from_db()
    assert token.revoked_at is not None
    assert secret.reveal() not in page
    assert token.digest not in page


def test_the_history_of_an_object_is_its_audit_log(root: User, team: Team, client: Client) -> None:
    place = place_of(team)
    act(client, "deployments_environment", "deploy", place)
    deployment = Deployment.objects.get()

    answer = client.get(reverse("admin:deployments_deployment_history", args=[deployment.pk]), follow=True)

    assert answer.status_code == 200
    assert "deployment.deploy" in answer.content.decode()


def test_how_an_environment_is_reached_is_set_in_the_admin(root: User, team: Team, client: Client) -> None:
    machine = Instance.objects.create(name="gpu-1", kind="server", status="running", host_keys=["x"])
    place, other = place_of(team), factories.environment(factories.application(of=team), instance=machine)
    Environment.objects.filter(pk=place.pk).update(instance=machine)
    Environment.objects.filter(pk=other.pk).update(hostnames=["taken.example.org"])
    address = reverse("admin:deployments_environment_change", args=[place.pk])
    fields = variable_fields(place) | {"variables-TOTAL_FORMS": 0}

    client.post(address, fields | {"hostnames": '["A.example.org"]', "basic_auth": "ada:canary-password"})
    place.refresh_from_db()
    assert place.hostnames == ["a.example.org"]
    assert place.basic_auth.reveal() == "ada:canary-password"
    assert "canary-password" not in client.get(address).content.decode()
    assert AuditEvent.objects.get(action="environment.update").details["changes"]["hostnames"] == [
        "[]", "['a.example.org']",
    ]  # fmt: skip

    refused = client.post(address, fields | {"hostnames": '["*.example.org"]'}).content.decode()
    assert "is a wildcard" in refused
    refused = client.post(
        address, fields | {"hostnames": '["taken.example.org"]'}, follow=True
    ).content.decode()
    assert "leads to" in refused and "Nothing was saved" in refused and "changed successfully" not in refused
    place.refresh_from_db()
    assert place.hostnames == ["a.example.org"]


def test_hooks_are_read_by_the_same_rule_in_the_admin(root: User, team: Team, client: Client) -> None:
    application = place_of(team).application
    address = reverse("admin:deployments_application_change", args=[application.pk])
    fields = {
        "git_url": application.git_url, "dockerfile": "Dockerfile", "memory_mb": 1024, "cpus": 1, "build_args": "{}",
        "initial-build_args": "{}", "initial-hooks": "{}",
        "environments-TOTAL_FORMS": 0, "environments-INITIAL_FORMS": 0,
    }  # fmt: skip

    refused = client.post(address, fields | {"hooks": '{"sometime": "x"}'}).content.decode()
    assert "There is no moment" in refused
    client.post(address, fields | {"hooks": '{"pre_deploy": "python migrate.py"}'})
    application.refresh_from_db()
    assert application.hooks == {"pre_deploy": "python migrate.py"}
