"""The doors: what each writes, and what each refuses."""

from typing import Any

import pytest

from deployments import actions, queries, rules
from deployments.models import Application, Deployment, Environment, Variable
from deployments.states import Kind, Status, Wanted
from instances.actions import ensure_local_instance
from instances.models import PortReservation
from portal.core import audit
from portal.core.errors import ActionDenied, Invalid, NotFound
from portal.core.models import AuditEvent, Role, User
from tests import factories

pytestmark = pytest.mark.django_db

URL = "https://github.com/acme/churn"


@pytest.fixture
def deployer() -> User:
    return factories.user("dora", role=Role.DEPLOYER)


def live(environment: Environment, number: int = 1, **fields: Any) -> Deployment:
    """Put a release live, as a succeeded deployment would."""
    release = factories.release(environment, number, **fields)
    deployment = factories.deployment_at(Status.SUCCEEDED, of=environment, release=release)
    environment.live_release, environment.live_deployment = release, deployment
    environment.live_container, environment.live_port = "c", 21000
    environment.save()
    return deployment


def test_a_git_url_makes_application_environment_and_deployment(deployer: User) -> None:
    started = actions.deploy_url(git_url=URL, by=deployer, branch="main")
    deployment = started.deployment
    assert started.created
    assert deployment.application.name == "churn"
    assert deployment.environment.name == "dev"
    assert (deployment.status, deployment.number, deployment.ref) == (Status.QUEUED, 1, "main")
    assert deployment.steps.count() == 12


def test_the_same_repository_is_the_same_application_however_it_is_spelled(deployer: User) -> None:
    actions.deploy_url(git_url=URL, by=deployer)
    actions.deploy_url(git_url=URL + ".git", by=deployer)
    actions.deploy_url(git_url="https://github.com/acme/churn/", by=deployer, environment="stage")
    assert Application.objects.count() == 1
    assert Environment.objects.count() == 2


def test_a_double_click_gets_the_deployment_that_is_there(deployer: User) -> None:
    first = actions.deploy_url(git_url=URL, by=deployer)
    second = actions.deploy_url(git_url=URL, by=deployer)
    assert (second.deployment, second.created) == (first.deployment, False)


def test_the_newest_wish_waits_and_the_one_before_makes_way(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    factories.deployment_at(Status.RUNNING, of=environment)
    older = actions.start(environment=environment, by=deployer, ref="one").deployment
    newer = actions.start(environment=environment, by=deployer, ref="two").deployment
    older.refresh_from_db()
    assert (older.status, older.superseded_by) == (Status.CANCELLED, newer)
    assert newer.status == Status.QUEUED
    assert queries.queue_position(newer).ahead == 1


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_who_may_only_look_cannot_deploy_and_the_attempt_is_recorded(role: str) -> None:
    environment = factories.environment()
    person = factories.user(role=role, of=environment.application.team)
    with pytest.raises(ActionDenied) as refusal:
        actions.start(environment=environment, by=person)
    assert refusal.value.forbidden
    assert Deployment.objects.count() == 0
    assert AuditEvent.objects.get(allowed=False).actor == person


def test_for_a_stranger_nothing_is_there(deployer: User) -> None:
    environment = factories.environment()
    with pytest.raises(NotFound):
        actions.start(environment=environment, by=deployer)


def test_a_bad_url_leaves_nothing_behind(deployer: User) -> None:
    with pytest.raises(Invalid) as refusal:
        actions.deploy_url(git_url="https://github.com/acme/churn;touch x", by=deployer)
    assert "git_url" in refusal.value.message_dict
    assert Application.objects.count() == 0


def test_a_refused_environment_leaves_no_application_behind(deployer: User) -> None:
    with pytest.raises(Invalid):
        actions.deploy_url(git_url=URL, by=deployer, target="nowhere")
    assert Application.objects.count() == 0


def test_two_environments_cannot_ask_for_the_same_port(deployer: User) -> None:
    actions.deploy_url(git_url=URL, by=deployer, host_port=20100)
    with pytest.raises(Invalid) as refusal:
        actions.deploy_url(git_url="https://github.com/acme/other", by=deployer, host_port=20100)
    assert "host_port" in refusal.value.message_dict
    assert PortReservation.objects.filter(number=20100).count() == 1


def test_retry_keeps_the_commit_and_is_a_new_row(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    failed = factories.deployment_at(Status.FAILED, of=environment, commit="b" * 40)
    again = actions.retry(deployment=failed, by=deployer).deployment
    assert (again.commit, again.origin, again.kind) == ("b" * 40, failed, Kind.RETRY)
    assert again.number == failed.number + 1


def test_rollback_goes_to_the_release_before_the_live_one(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    live(environment, 1)
    live(environment, 2, proven=False)
    live(environment, 3)
    back = actions.rollback(environment=environment, by=deployer).deployment
    assert back.release.number == 1
    skipped = {step.key for step in back.steps.all()} & {"validate", "clone", "build"}
    assert len(skipped) == 3


def test_rollback_needs_something_to_go_back_to(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    live(environment, 1)
    assert rules.why_not_rollback(deployer, environment) == "There is no earlier release to go back to."
    with pytest.raises(ActionDenied):
        actions.rollback(environment=environment, by=deployer)


def test_a_variable_is_sealed_and_its_value_is_nowhere_in_the_audit(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    actions.set_variable(environment=environment, by=deployer, key="API_KEY", value="hush-hush-hush")
    row = Variable.objects.get()
    assert "hush" not in row.value_sealed
    assert row.value.reveal() == "hush-hush-hush"
    assert "hush" not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("key", "value"), [("1KEY", "x"), ("PATH", "x"), ("KEY", "a\0b"), ("KEY", "x" * 40000)]
)
def test_a_bad_variable_is_refused(deployer: User, key: str, value: str) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    with pytest.raises(Invalid):
        actions.set_variable(environment=environment, by=deployer, key=key, value=value)
    assert Variable.objects.count() == 0


def test_variables_that_wait_for_a_deployment_are_named(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    live(environment, 1)
    actions.set_variable(environment=environment, by=deployer, key="NEW", value="1")
    environment.refresh_from_db()
    assert queries.changed_variables(environment) == ["NEW"]


def test_a_live_application_is_deleted_only_with_force(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    boss = factories.user(role=Role.ADMIN, of=environment.application.team)
    live(environment, 1)
    with pytest.raises(ActionDenied):
        actions.delete_application(application=environment.application, by=boss)
    actions.delete_application(application=environment.application, by=boss, force=True)
    environment.refresh_from_db()
    assert environment.wanted == Wanted.STOPPED
    assert queries.visible_deployments(boss).count() == 1
    with pytest.raises(NotFound):
        queries.get_application(boss, environment.application.name)


def test_the_name_of_a_deleted_application_is_free_again(deployer: User) -> None:
    boss = factories.user(role=Role.ADMIN, of=deployer.memberships.get().team)
    first = actions.create_application(
        by=deployer, team=deployer.memberships.get().team, git_url=URL, name="churn"
    )
    actions.delete_application(application=first, by=boss)
    again = actions.create_application(
        by=deployer, team=deployer.memberships.get().team, git_url=URL, name="churn"
    )
    assert again.pk != first.pk


def test_stopping_and_starting_say_what_is_wanted(deployer: User) -> None:
    environment = factories.environment(factories.application(of=deployer.memberships.get().team))
    live(environment, 1)
    actions.stop_environment(environment=environment, by=deployer)
    assert environment.wanted == Wanted.STOPPED
    assert rules.why_not_stop(deployer, environment) == "It is stopped already."
    actions.start_environment(environment=environment, by=deployer)
    assert environment.wanted == Wanted.RUNNING


def test_every_action_leaves_a_chained_event_with_its_origin(deployer: User) -> None:
    with audit.origin(surface="api", address="127.0.0.9"):
        actions.deploy_url(git_url=URL, by=deployer)
    assert {event.surface for event in AuditEvent.objects.filter(actor=deployer)} == {"api"}
    assert audit.first_broken() is None
    AuditEvent.objects.filter(action="application.create").update(actor_name="somebody else")
    assert audit.first_broken() is not None


def test_ensuring_the_local_instance_twice_makes_one() -> None:
    assert ensure_local_instance() == ensure_local_instance()
