"""A plan: what it says, that it only looks, and that a start refuses when the plan no longer holds."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model
from django.utils import timezone
from pytest_django import Settings

from deployments import actions, plan_hashes, planning
from deployments.models import Deployment
from deployments.pipeline import git
from deployments.planning import cloud
from deployments.states import Status
from instances import ports
from instances.clouds.base import Group, KeyPair, Rule
from instances.clouds.tags import tags_for
from instances.machines import group_name
from portal.core.errors import ActionDenied, Invalid
from portal.core.models import AuditEvent, User
from tests import factories
from tests.fakes_cloud import FakeMachines

pytestmark = pytest.mark.django_db

URL = "https://github.com/acme/churn"
FIRST, SECOND = "a" * 40, "b" * 40
LOOKS_ONLY = {"resolve_image", "check_image", "subnets", "networks", "key_pair", "groups", "validate"}


class Repository:
    """What the Git server says."""

    commit = FIRST
    dockerfile = "FROM python:3.11\nEXPOSE 8080\n"
    manifest = ""
    failure: git.GitFailed | None = None

    def look(self, *args: Any, **kwargs: Any) -> tuple[git.Remote, git.RemoteRefs]:
        if self.failure:
            raise self.failure
        refs = git.RemoteRefs("main", {"main": self.commit}, {}, self.commit)
        return git.Remote(url=URL, protocol="https", origin="https://github.com"), refs

    def inspect(self, *args: Any, **kwargs: Any) -> git.Inspection:
        return git.Inspection("file", self.dockerfile, "Add a model", manifest=self.manifest)


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Repository:
    settings.GIT_ALLOWED_HOSTS = ["github.com"]
    settings.ALLOWED_SSH_IP = "203.0.113.7/32"
    fake = Repository()
    monkeypatch.setattr(git, "look", fake.look)
    monkeypatch.setattr(git, "inspect", fake.inspect)
    return fake


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeMachines:
    fake = FakeMachines()
    monkeypatch.setattr(cloud, "machines_in", lambda region: fake)
    return fake


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


def everything() -> dict[str, int]:
    models: list[type[Model]] = list(apps.get_models())
    return {model._meta.label: model._base_manager.count() for model in models}


def kinds(items: tuple[planning.Item, ...]) -> list[str]:
    return [item.kind for item in items]


def names_of(items: tuple[planning.Item, ...], kind: str) -> list[str]:
    return [item.name for item in items if item.kind == kind]


def test_a_first_deployment_makes_everything_and_the_plan_makes_nothing(
    ada: User, django_capture_on_commit_callbacks: Any
) -> None:
    before = everything()
    with django_capture_on_commit_callbacks() as woken:
        plan = planning.plan(git_url=URL, by=ada, variables={"KEY": "s3cret"})
    assert everything() == before
    assert woken == []
    assert kinds(plan.created) == [
        "application", "environment", "variable", "instance", "image", "release", "container", "public_port", "site",
    ]  # fmt: skip
    assert (plan.changed, plan.kept, plan.blockers, plan.warnings) == ((), (), (), ())
    assert (plan.application, plan.commit, plan.ref, plan.commit_subject) == (
        "churn", FIRST, "main", "Add a model",
    )  # fmt: skip
    assert plan.cost.monthly_delta == 0
    assert plan.duration.seconds is None
    assert "s3cret" not in repr(plan)


def test_the_next_deployment_changes_little_and_keeps_much(ada: User, repository: Repository) -> None:
    place = live(ada)
    repository.commit = SECOND
    plan = planning.plan(git_url=URL, by=ada, container_port=9000)
    assert names_of(plan.changed, "application") == ["churn"]
    assert names_of(plan.changed, "container") == ["portal-churn-dev-1"]
    assert names_of(plan.changed, "site") == ["churn/dev"]
    assert names_of(plan.kept, "release") == ["v1"]
    assert names_of(plan.kept, "public_port") == ["20001"]
    assert names_of(plan.created, "release") == ["v2"]
    place.application.refresh_from_db()
    assert place.application.container_port is None


def live(ada: User) -> Any:
    """An environment with something live."""
    place = actions.deploy_url(git_url=URL, by=ada).deployment.environment
    release = factories.release(place, commit=FIRST)
    Deployment.objects.all().delete()
    place.live_release, place.live_container = release, "portal-churn-dev-1"
    place.save()
    ports.reserve(place.instance, holder=place.uuid, candidates=[20001], usable=lambda port: True)
    return place


def test_values_name_their_source(ada: User, repository: Repository) -> None:
    repository.manifest = (
        "memory_mb: 512\nhealth: /ready\nvariables: {LEVEL: info}\nhooks: {pre_deploy: ls}\n"
    )
    plan = planning.plan(
        git_url=URL, by=ada, branch="main", variables={"KEY": "x"}, options={"build_args": {"A": "1"}}
    )
    sources = {value.name: (value.value, value.source) for value in plan.values}
    assert sources["Memory (MB)"] == ("512", "repo")
    assert sources["Health path"] == ("/ready", "repo")
    assert sources["Variable LEVEL"] == ("info", "repo")
    assert sources["Variable KEY"] == ("(set)", "form")
    assert sources["Hook pre_deploy"] == ("ls", "repo")
    assert sources["Container port"] == ("8080", "repo")
    assert sources["Build argument A"] == ("1", "form")
    assert sources["Branch"] == ("main", "form")
    assert sources["CPUs"] == ("1", "default")


@pytest.mark.parametrize(
    ("manifest", "code", "words"),
    [
        ("port: x", "manifest_invalid", "portal.yml, line 1"),
        ("variables: {MODEL: {required: true}}", "variable_missing", "requires MODEL"),
    ],
)
def test_what_would_fail_later_is_said_now_with_its_fix(
    ada: User, repository: Repository, manifest: str, code: str, words: str
) -> None:
    repository.manifest = manifest
    (blocker,) = planning.plan(git_url=URL, by=ada).blockers
    assert blocker.code == code and words in blocker.message and blocker.fix
    assert planning.plan(git_url=URL, by=ada).plan_hash == ""


def test_a_variable_that_the_request_brings_is_not_missing(ada: User, repository: Repository) -> None:
    repository.manifest = "variables: {MODEL: {required: true}}"
    assert planning.plan(git_url=URL, by=ada, variables={"MODEL": "x"}).blockers == ()


def test_a_repository_that_is_not_there_is_a_blocker(ada: User, repository: Repository) -> None:
    repository.failure = git.GitFailed("repository_not_found", "")
    plan = planning.plan(git_url=URL, by=ada)
    assert [blocker.code for blocker in plan.blockers] == ["repository_not_found"]


def test_a_branch_that_is_not_there_is_a_blocker(ada: User) -> None:
    plan = planning.plan(git_url=URL, by=ada, branch="develop")
    assert [blocker.code for blocker in plan.blockers] == ["branch_not_found"]


def test_who_may_not_deploy_sees_no_plan_and_leaves_no_trace() -> None:
    stranger = factories.user(role=None)
    before = AuditEvent.objects.count()
    with pytest.raises(ActionDenied):
        planning.plan(git_url=URL, by=stranger)
    assert AuditEvent.objects.count() == before


def test_a_wrong_field_is_refused_as_at_the_start(ada: User) -> None:
    with pytest.raises(Invalid) as refused:
        planning.plan(git_url=URL, by=ada, name="No Name")
    assert "name" in refused.value.message_dict


def test_an_image_is_not_built_and_no_repository_is_asked(ada: User, repository: Repository) -> None:
    repository.failure = git.GitFailed("git_unreachable", "")
    plan = planning.plan(image="registry.example.org/a/b:1", name="churn", by=ada)
    assert names_of(plan.kept, "image") == ["registry.example.org/a/b:1"]
    assert (plan.blockers, plan.commit) == ((), "")
    assert plan_hashes.is_mark(plan.plan_hash)


def test_the_duration_is_the_median_of_the_environment_else_of_its_kind(ada: User) -> None:
    other = factories.environment()
    now = timezone.now()
    for seconds in (10, 20, 90):
        started = now - timedelta(seconds=seconds)
        factories.deployment_at(Status.SUCCEEDED, of=other, started_at=started, finished_at=now)
    factories.deployment_at(Status.FAILED, of=other, started_at=now - timedelta(hours=1), finished_at=now)
    assert planning.plan(git_url=URL, by=ada).duration == planning.Duration(20.0, 3, "instance_kind")
    place = live(ada)
    factories.deployment_at(
        Status.SUCCEEDED, of=place, started_at=now - timedelta(seconds=7), finished_at=now
    )
    assert planning.plan(git_url=URL, by=ada).duration == planning.Duration(7.0, 1, "environment")


# --- AWS ------------------------------------------------------------------------------------------


def on_ec2(ada: User, **fields: Any) -> planning.Plan:
    return planning.plan(git_url=URL, by=ada, target="ec2", instance_name="gpu", **fields)


def test_a_new_machine_is_planned_with_looks_only(ada: User, aws: FakeMachines) -> None:
    before = everything()
    plan = on_ec2(ada, instance_type="t3.small")
    assert everything() == before
    assert aws.calls and set(aws.calls) <= LOOKS_ONLY
    assert (aws.machines_by_id, aws.groups_by_id, aws.pairs, aws.requests) == ({}, {}, {}, [])
    assert {"machine", "security_group", "key_pair", "instance"} <= set(kinds(plan.created))
    assert plan.cost.monthly_delta is not None and plan.cost.monthly_delta > Decimal(10)
    assert plan.warnings == ()


def test_an_image_of_another_region_is_a_blocker_with_the_right_one(
    ada: User, aws: FakeMachines, settings: Settings
) -> None:
    settings.EC2_AMI_ID = "ami-0123456789abcdef0"
    (blocker,) = on_ec2(ada).blockers
    assert blocker.code == "aws_image_not_found"
    assert f"use {next(iter(aws.images))}" in blocker.message


def test_rules_that_would_change_are_named(ada: User, aws: FakeMachines) -> None:
    name = group_name()
    rules = frozenset({Rule(22, "198.51.100.1/32"), Rule(80, "0.0.0.0/0"), Rule(443, "0.0.0.0/0")})
    aws.groups_by_id["sg-1"] = Group("sg-1", name, "vpc-1", tags_for(name), rules)
    (item,) = [item for item in on_ec2(ada).changed if item.kind == "security_group"]
    assert item.detail == "opens 22 from 203.0.113.7/32, closes 22 from 198.51.100.1/32"
    right = replace(
        aws.groups_by_id["sg-1"], rules=rules - {Rule(22, "198.51.100.1/32")} | {Rule(22, "203.0.113.7/32")}
    )
    aws.groups_by_id["sg-1"] = right
    assert names_of(on_ec2(ada).kept, "security_group") == [name]


def test_ssh_for_everybody_is_a_warning(ada: User, aws: FakeMachines, settings: Settings) -> None:
    settings.ALLOWED_SSH_IP = "0.0.0.0/0"
    assert [warning.code for warning in on_ec2(ada).warnings] == ["ssh_exposed"]


@pytest.mark.parametrize("there", [False, True])
def test_a_key_pair_of_somebody_else_has_to_be_there(
    ada: User, aws: FakeMachines, settings: Settings, there: bool
) -> None:
    settings.AWS_KEY_PAIR_NAME, settings.AWS_KEY_FILE = "team", ""
    if there:
        aws.pairs["team"] = KeyPair("team", "", "ssh-ed25519 AAAA", {})
    plan = on_ec2(ada)
    assert [blocker.code for blocker in plan.blockers] == ([] if there else ["aws_key_pair_not_found"])
    assert names_of(plan.kept, "key_pair") == (["team"] if there else [])


def test_what_aws_refuses_does_not_hide_the_rest(ada: User, aws: FakeMachines) -> None:
    aws.fail("groups", "aws_unauthorized", detail="not allowed: ec2:DescribeSecurityGroups")
    aws.fail("subnets", "aws_throttled", again=True)
    plan = on_ec2(ada)
    assert [blocker.code for blocker in plan.blockers] == ["aws_unauthorized"]
    assert [warning.code for warning in plan.warnings] == ["aws_throttled"]
    assert names_of(plan.kept, "ami")


def test_an_aws_that_does_not_answer_is_not_waited_for(
    ada: User, aws: FakeMachines, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    silent = threading.Event()
    monkeypatch.setattr(cloud, "SECONDS", 0.05)
    monkeypatch.setattr(aws, "resolve_image", lambda parameter: silent.wait(10))
    try:
        assert [warning.code for warning in on_ec2(ada).warnings] == ["aws_unreachable"]
    finally:
        silent.set()


# --- applying it ----------------------------------------------------------------------------------


def test_the_same_wish_has_the_same_hash_until_something_changes(ada: User) -> None:
    first = planning.plan(git_url=URL, by=ada).plan_hash
    assert plan_hashes.is_mark(first)
    assert planning.plan(git_url=URL, by=ada).plan_hash == first
    assert planning.plan(git_url=URL, by=ada, container_port=1).plan_hash != first


def test_a_plan_that_holds_is_deployed_and_kept_with_the_deployment(ada: User) -> None:
    mark = planning.plan(git_url=URL, by=ada).plan_hash
    started = planning.deploy_planned(plan_hash=mark, git_url=URL, by=ada)
    assert Deployment.objects.get().options == {"plan_hash": mark}
    assert started.created


def move_branch(ada: User, repository: Repository) -> None:
    repository.commit = SECOND


def set_a_variable(ada: User, repository: Repository) -> None:
    actions.set_variable(environment=live_place(), by=ada, key="K", value="v")


def change_the_memory(ada: User, repository: Repository) -> None:
    actions.update_application(application=live_place().application, by=ada, memory_mb=4096)


def put_another_live(ada: User, repository: Repository) -> None:
    place = live_place()
    place.live_release = factories.release(place, 7)
    place.save()


def live_place() -> Any:
    from deployments.models import Environment

    return Environment.objects.select_related("application__team", "instance").get()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (move_branch, "the commit"),
        (set_a_variable, "the variables"),
        (change_the_memory, "the settings"),
        (put_another_live, "what is live"),
    ],
)
def test_a_plan_that_no_longer_holds_is_refused_with_what_changed(
    ada: User, repository: Repository, change: Callable[[User, Repository], None], words: str
) -> None:
    live(ada)
    mark = planning.plan(git_url=URL, by=ada).plan_hash
    change(ada, repository)
    with pytest.raises(ActionDenied) as refused:
        planning.deploy_planned(plan_hash=mark, git_url=URL, by=ada)
    assert refused.value.code == "plan_changed"
    assert f"has changed: {words}." in refused.value.message
    assert not Deployment.objects.exists()


def test_another_wish_than_the_planned_one_is_refused(ada: User) -> None:
    mark = planning.plan(git_url=URL, by=ada).plan_hash
    with pytest.raises(ActionDenied) as refused:
        planning.deploy_planned(plan_hash=mark, git_url=URL, by=ada, environment="prod")
    assert "the environment" in refused.value.message


def test_what_is_no_hash_is_refused_as_a_field(ada: User) -> None:
    with pytest.raises(Invalid) as refused:
        planning.deploy_planned(plan_hash="x", git_url=URL, by=ada)
    assert "plan_hash" in refused.value.message_dict


def test_a_repository_that_is_gone_meanwhile_is_said_so(ada: User, repository: Repository) -> None:
    mark = planning.plan(git_url=URL, by=ada).plan_hash
    repository.failure = git.GitFailed("git_unreachable", "")
    with pytest.raises(ActionDenied) as refused:
        planning.deploy_planned(plan_hash=mark, git_url=URL, by=ada)
    assert refused.value.code == "git_unreachable"


def test_a_name_that_is_drawn_at_the_start_is_not_promised(ada: User, aws: FakeMachines) -> None:
    plan = planning.plan(git_url=URL, by=ada, target="ec2")
    assert plan.instance == "autodeploy-churn-…"
    assert on_ec2(ada).instance == "gpu"


def test_defaults_of_the_repository_are_kept_only_where_they_hold_already(
    ada: User, repository: Repository
) -> None:
    repository.manifest = "variables: {LEVEL: info}\n"
    assert names_of(planning.plan(git_url=URL, by=ada).created, "variable") == ["LEVEL"]
    release = live(ada).live_release
    release.variable_names = ["LEVEL"]
    release.save()
    assert names_of(planning.plan(git_url=URL, by=ada).kept, "variable") == ["LEVEL"]


def test_a_build_without_the_cache_is_a_new_image_although_one_is_there(ada: User) -> None:
    place = live(ada)
    (image,) = names_of(planning.plan(git_url=URL, by=ada).created, "image")
    factories.release(place, 2, image=image)
    assert names_of(planning.plan(git_url=URL, by=ada).kept, "image") == [image]
    anew = {"no_cache": True}
    plan = planning.plan(git_url=URL, by=ada, options=anew)
    assert names_of(plan.created, "image") == [image]
    assert planning.plan(git_url=URL, by=ada, options=anew).plan_hash == plan.plan_hash
