"""How environments are reached, where they go, what is kept: what the doors write and refuse."""

from typing import Any

import pytest

from deployments import actions, rules
from deployments.models import Application, Environment, Release
from deployments.states import Health, Status
from instances.models import Instance, PortReservation
from instances.states import Kind as InstanceKind
from instances.states import Status as InstanceStatus
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import AuditEvent, Role, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def dora() -> User:
    return factories.user("dora", role=Role.DEPLOYER)


def server(name: str = "gpu-1", **fields: Any) -> Instance:
    defaults = {
        "kind": InstanceKind.SERVER,
        "status": InstanceStatus.RUNNING,
        "ssh_host": f"{name}.example.org",
        "host_keys": ["ssh-ed25519 AAAA"],
    }
    return Instance.objects.create(name=name, **(defaults | fields))


def place(by: User, on: Instance | None = None, name: str = "", **fields: Any) -> Environment:
    team = by.memberships.get().team
    if on is not None:
        fields["instance"] = on
    return factories.environment(factories.application(name, of=team), **fields)


def refused(field: str, **wish: Any) -> str:
    with pytest.raises(Invalid) as refusal:
        actions.update_environment(**wish)
    assert list(refusal.value.message_dict) == [field]
    return " ".join(refusal.value.message_dict[field])


def test_a_host_name_belongs_to_one_environment_of_an_instance(dora: User) -> None:
    machine = server()
    first, second = place(dora, machine, "churn-api"), place(dora, machine)
    actions.update_environment(environment=first, by=dora, hostnames=["Churn.example.org"])
    first.refresh_from_db()
    assert first.hostnames == ["churn.example.org"]

    wish = {"environment": second, "by": dora, "hostnames": ["api.example.org", "CHURN.example.org"]}
    assert "churn-api/dev" in refused("hostnames", **wish)
    second.refresh_from_db()
    assert second.hostnames == []

    elsewhere = place(dora, server("gpu-2"))
    actions.update_environment(environment=elsewhere, by=dora, hostnames=["churn.example.org"])


def test_the_name_of_a_stranger_s_environment_is_not_told(dora: User) -> None:
    machine = server()
    foreign = factories.environment(factories.application("secret-plan"), instance=machine, path_prefix="/x")
    sentence = refused(
        "path_prefix", environment=place(dora, machine), by=dora, path_prefix=foreign.path_prefix
    )
    assert "secret-plan" not in sentence
    assert "another team's environment" in sentence


def test_a_deleted_application_gives_its_names_back(dora: User) -> None:
    machine = server()
    boss = factories.user(role=Role.ADMIN, of=dora.memberships.get().team)
    gone = place(dora, machine, hostnames=["a.example.org"])
    actions.delete_application(application=gone.application, by=boss)
    actions.update_environment(environment=place(dora, machine), by=dora, hostnames=["a.example.org"])


def test_https_needs_a_name(dora: User) -> None:
    environment = place(dora, server())
    assert "host name" in refused("https", environment=environment, by=dora, https=True)
    environment.refresh_from_db()
    actions.update_environment(environment=environment, by=dora, https=True, hostnames=["a.example.org"])


@pytest.mark.parametrize(
    ("field", "value"),
    [("hostnames", ["a.example.org"]), ("path_prefix", "/a"), ("basic_auth", "ada:long enough")],
)
def test_this_machine_s_own_proxy_tells_apart_by_port_only(dora: User, field: str, value: object) -> None:
    environment = place(dora)
    assert "NGINX" in refused(field, environment=environment, by=dora, **{field: value})
    environment.refresh_from_db()
    assert not (environment.hostnames or environment.path_prefix or environment.basic_auth_sealed)


def test_a_sign_in_is_sealed_and_nowhere_in_the_audit(dora: User) -> None:
    environment = place(dora, server())
    actions.update_environment(environment=environment, by=dora, basic_auth="ada:hush-hush-hush")
    environment.refresh_from_db()
    assert environment.basic_auth.reveal() == "ada:hush-hush-hush"
    events = str(list(AuditEvent.objects.values()))
    assert "hush" not in events
    assert "'basic_auth': 'changed'" in events
    actions.update_environment(environment=environment, by=dora, basic_auth="")
    environment.refresh_from_db()
    assert environment.basic_auth_sealed == ""


@pytest.mark.parametrize("port", [2222, 21000, 22999])
def test_ports_that_the_portal_needs_there_are_refused(dora: User, port: int) -> None:
    environment = place(dora, server(ssh_port=2222))
    assert "portal itself" in refused("host_port", environment=environment, by=dora, public_port=port)


def test_the_holder_of_a_port_is_named(dora: User) -> None:
    machine = server()
    actions.update_environment(environment=place(dora, machine, "churn-api"), by=dora, public_port=80)
    sentence = refused("host_port", environment=place(dora, machine), by=dora, public_port=80)
    assert "80 is taken on gpu-1 by churn-api/dev" in sentence


def test_port_80_of_this_machine_is_refused(dora: User) -> None:
    refused("host_port", environment=place(dora), by=dora, public_port=80)


def test_behind_a_name_there_is_no_port_to_choose(dora: User) -> None:
    environment = place(dora, server(), hostnames=["a.example.org"])
    refused("public_port", environment=environment, by=dora, public_port=8001)


def test_what_is_not_live_moves_and_leaves_its_port_and_images(dora: User) -> None:
    old, new = server("old-1"), server("new-1")
    environment = place(dora, old)
    actions.update_environment(environment=environment, by=dora, public_port=8005)
    release = factories.release(environment)
    actions.update_environment(environment=environment, by=dora, instance=new)
    environment.refresh_from_db()
    release.refresh_from_db()
    assert environment.instance == new
    assert [row.instance for row in PortReservation.objects.filter(holder=environment.uuid)] == [new]
    assert not release.kept


def test_what_is_live_or_under_way_does_not_move(dora: User) -> None:
    environment, new = place(dora), server("new-1")
    factories.deployment_at(Status.QUEUED, of=environment)
    assert "under way" in refused("target", environment=environment, by=dora, instance=new)
    environment.deployments.all().delete()
    environment.live_release = factories.release(environment)
    environment.save()
    assert "another environment name" in refused("target", environment=environment, by=dora, instance=new)


def test_what_was_live_on_a_machine_that_is_gone_moves(dora: User) -> None:
    environment = place(dora, server("old-1", status=InstanceStatus.TERMINATED), health=Health.LOST)
    environment.live_release = factories.release(environment)
    environment.save()
    actions.update_environment(environment=environment, by=dora, instance=server("new-1"))
    moved = Environment.objects.get()
    assert (moved.live_release_id, moved.health) == (None, Health.NOTHING)


def test_a_full_instance_takes_no_more(dora: User) -> None:
    full = server(max_applications=1)
    place(dora, full)
    assert "full" in refused("target", environment=place(dora), by=dora, instance=full)


def test_hooks_and_build_arguments_are_read_by_the_rule(dora: User) -> None:
    application = place(dora).application
    with pytest.raises(Invalid) as refusal:
        actions.update_application(
            application=application,
            by=dora,
            hooks={"pre_build": "a\nb"},
            build_args={"1": "x"},
            test_command="a\0",
        )
    assert set(refusal.value.message_dict) == {"hooks", "build_args", "test_command"}
    actions.update_application(
        application=application, by=dora, hooks={"pre_build": " make "}, context="services/api"
    )
    application.refresh_from_db()
    assert (application.hooks, application.context) == ({"pre_build": "make"}, "services/api")


def test_an_image_is_deployed_without_a_repository(dora: User) -> None:
    image = "registry.example.org/team/app:1.2"
    started = actions.deploy_url(image=image, name="ready-made", by=dora)
    assert started.deployment.options == {"image": image}
    assert started.deployment.application.git_url == ""
    skipped = {step.key for step in started.deployment.steps.all()} & {"clone", "build"}
    assert started.deployment.steps.count() == 12 and skipped

    again = actions.deploy_url(image=image.replace("1.2", "1.3"), name="ready-made", by=dora)
    assert Application.objects.count() == 1
    assert again.deployment.application == started.deployment.application


def test_an_image_stands_in_for_a_build_of_the_repository(dora: User) -> None:
    application = factories.application("churn-api", of=dora.memberships.get().team)
    started = actions.deploy_url(image="portal/x:1", name="churn-api", by=dora)
    assert started.deployment.application == application


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "git_url"),
        ({"git_url": "https://github.com/a/b", "image": "x:1"}, "git_url"),
        ({"image": "x:1"}, "name"),
        ({"image": "UPPER", "name": "some-app"}, "image"),
        ({"git_url": "https://github.com/a/b", "options": {"build_args": {"1": "x"}}}, "build_args"),
        ({"git_url": "https://github.com/a/b", "context": "../x"}, "context"),
        ({"git_url": "https://github.com/a/b", "target": "nowhere"}, "target"),
    ],
)
def test_a_refused_wish_names_its_field_and_leaves_nothing(
    dora: User, wish: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        actions.deploy_url(by=dora, **wish)
    assert list(refusal.value.message_dict) == [field]
    assert not Application.objects.exists()


def test_a_protected_release_is_recorded_and_only_kept_ones_can_be(dora: User) -> None:
    release = factories.release(place(dora))
    actions.protect_release(release=release, by=dora)
    actions.protect_release(release=release, by=dora)
    assert Release.objects.get().protected
    assert AuditEvent.objects.filter(action="release.protect").count() == 1
    actions.protect_release(release=release, by=dora, protected=False)
    assert not Release.objects.get().protected
    Release.objects.update(kept=False)
    release.refresh_from_db()
    with pytest.raises(ActionDenied):
        actions.protect_release(release=release, by=dora)
    viewer = factories.user(role=Role.VIEWER, of=dora.memberships.get().team)
    assert rules.why_not_protect(viewer, release)


def test_a_new_machine_is_planned_for_its_environment_and_used_again(dora: User) -> None:
    wish: dict[str, Any] = {"git_url": "https://github.com/acme/churn", "by": dora, "target": "ec2"}
    started = actions.deploy_url(**wish, instance_type="t3.small", region="eu-west-1")
    machine = started.deployment.instance
    assert (machine.kind, machine.instance_type, machine.region) == ("ec2", "t3.small", "eu-west-1")
    assert machine.name.startswith("autodeploy-churn-")
    assert machine.team == started.deployment.application.team
    actions.deploy_url(**wish, branch="main")
    assert Instance.objects.filter(kind="ec2").count() == 1

    named = actions.deploy_url(**wish, environment="stage", instance_name="churn-stage").deployment
    assert named.instance.name == "churn-stage"


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"instance_name": "Not A Name"}, "instance_name"),
        ({"instance_type": "x1e.32xlarge"}, "instance_type"),
        ({"region": "nowhere"}, "region"),
    ],
)
def test_a_refused_machine_leaves_nothing(dora: User, wish: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        actions.deploy_url(git_url="https://github.com/acme/churn", by=dora, target="new", **wish)
    assert list(refusal.value.message_dict) == [field]
    assert not Application.objects.exists() and not Instance.objects.filter(kind="ec2").exists()


def test_a_drained_or_ended_machine_takes_no_deployment(dora: User) -> None:
    machine = server()
    environment = place(dora, machine)
    assert rules.why_not_start(dora, environment) == ""
    machine.draining = True
    assert "drained" in rules.why_not_start(dora, environment)
    machine.draining, machine.status = False, InstanceStatus.TERMINATING
    for why in (rules.why_not_start(dora, environment), rules.why_not_rollback(dora, environment)):
        assert "Choose another instance" in why
