"""What is live is kept as people want it; with a fake place, and rows as they are after a deployment."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from deployments import actions, watch
from deployments.models import Deployment, Environment, Release
from deployments.pipeline.places import Place
from deployments.pipeline.proxies.base import Route, SiteStatus
from deployments.pipeline.runtimes.base import Container, RunSpec
from deployments.states import Health, Status
from instances.hosts.base import HostError
from instances.models import PortReservation
from portal.core.models import Role
from tests import factories
from tests.fakes import FakeHost

pytestmark = pytest.mark.django_db


class FakeRuntime:
    """Containers in a dictionary."""

    key = "process"

    def __init__(self) -> None:
        self.found: dict[str, Container] = {}
        self.images_removed: list[str] = []

    def containers(self, labels: Any) -> list[Container]:
        return list(self.found.values())

    def start(self, spec: RunSpec) -> None:
        self.found[spec.name] = Container(spec.name, running=True, host_port=spec.host_port)

    def stop(self, name: str, *, grace: int = 10) -> None:
        self.found[name] = replace(self.found[name], running=False, exit_code=143)

    def remove(self, name: str) -> None:
        self.found.pop(name, None)

    def remove_image(self, image: str) -> None:
        self.images_removed.append(image)


class FakeProxy:
    """Routes in a dictionary."""

    def __init__(self) -> None:
        self.sites: dict[str, SiteStatus] = {}

    def ensure(self) -> None:
        pass

    def apply(self, route: Route) -> None:
        self.sites[route.site] = SiteStatus(route)

    def remove(self, site: str) -> None:
        self.sites.pop(site, None)

    def status(self) -> dict[str, SiteStatus]:
        return self.sites


@pytest.fixture
def runtime() -> FakeRuntime:
    return FakeRuntime()


@pytest.fixture
def proxy() -> FakeProxy:
    return FakeProxy()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, runtime: FakeRuntime, proxy: FakeProxy) -> dict[str, bool]:
    """Whether the application answers; set `well` to False to let it fall silent."""
    from deployments.pipeline.health import Probe

    answers = {"well": True}
    place = Place(host=FakeHost(), runtimes={"process": runtime}, proxy=proxy)  # type: ignore[dict-item]
    monkeypatch.setattr(watch, "place_of", lambda instance: place)

    def probe(host: Any, port: int, path: str, **_: Any) -> Probe:
        return Probe(path, 200) if answers["well"] else Probe(path, None, "no answer")

    monkeypatch.setattr("deployments.upkeep.probe", probe)
    monkeypatch.setattr("deployments.watch.probe", probe)
    return answers


@pytest.fixture
def environment(runtime: FakeRuntime, answers: dict[str, bool]) -> Environment:
    """One environment with a live, healthy release."""
    environment = factories.environment(public_port=20000)
    release = factories.release(environment)
    deployment = factories.deployment_at(Status.SUCCEEDED, of=environment, release=release)
    environment.live_release, environment.live_deployment = release, deployment
    environment.live_container, environment.live_port = "live", 21000
    environment.health, environment.health_since = Health.HEALTHY, timezone.now()
    environment.save()
    runtime.found["live"] = Container("live", running=True, host_port=21000)
    return environment


def check(environment: Environment) -> Environment:
    watch.check(environment)
    environment.refresh_from_db()
    return environment


def test_a_crash_shows_at_once_and_is_repaired(environment: Environment, runtime: FakeRuntime) -> None:
    runtime.stop("live")
    check(environment)
    assert environment.health == Health.UNHEALTHY
    assert "exit code 143" in environment.health_detail
    assert runtime.found["live"].running
    assert check(environment).health == Health.HEALTHY


def test_the_second_crash_waits_before_it_is_repaired(environment: Environment, runtime: FakeRuntime) -> None:
    runtime.stop("live")
    check(environment)
    runtime.stop("live")
    check(environment)
    assert not runtime.found["live"].running
    Environment.objects.update(next_restart_at=timezone.now() - timedelta(seconds=1))
    check(environment)
    assert runtime.found["live"].running
    assert environment.restarts == 2


def test_one_missed_answer_is_forgiven_and_two_are_not(
    environment: Environment, answers: dict[str, bool]
) -> None:
    answers["well"] = False
    assert check(environment).health == Health.HEALTHY
    assert check(environment).health == Health.UNHEALTHY
    answers["well"] = True
    assert check(environment).health == Health.HEALTHY


def test_one_that_stays_silent_is_restarted(
    environment: Environment, runtime: FakeRuntime, answers: dict[str, bool]
) -> None:
    answers["well"] = False
    for _ in range(8):
        check(environment)
    assert environment.restarts == 1


def test_what_is_no_longer_live_is_stopped_and_removed(
    environment: Environment, runtime: FakeRuntime
) -> None:
    runtime.found["old"] = Container("old", running=True, host_port=21001)
    check(environment)
    check(environment)
    assert list(runtime.found) == ["live"]


def test_what_still_answers_requests_is_left_until_it_has(
    environment: Environment, runtime: FakeRuntime, proxy: FakeProxy
) -> None:
    site = environment.uuid.hex
    runtime.found["old"] = Container("old", running=True, host_port=21001)
    proxy.sites[site] = SiteStatus(Route(site, 20000, 21000), in_flight={21001: 1})
    check(environment)
    assert runtime.found["old"].running
    proxy.sites[site] = SiteStatus(Route(site, 20000, 21000))
    check(environment)
    assert not runtime.found["old"].running


def test_nothing_is_touched_while_a_deployment_is_under_way(
    environment: Environment, runtime: FakeRuntime
) -> None:
    factories.deployment_at(Status.RUNNING, of=environment)
    runtime.found["candidate"] = Container("candidate", running=True, host_port=21002)
    runtime.stop("live")
    check(environment)
    assert runtime.found["candidate"].running
    assert not runtime.found["live"].running


def test_stopping_and_starting(environment: Environment, runtime: FakeRuntime) -> None:
    person = factories.user(role=Role.DEPLOYER, of=environment.application.team)
    actions.stop_environment(environment=environment, by=person)
    check(environment)
    assert not runtime.found["live"].running
    assert check(environment).health == Health.STOPPED
    actions.start_environment(environment=environment, by=person)
    check(environment)
    assert runtime.found["live"].running


def test_restarting_stops_it_first(environment: Environment, runtime: FakeRuntime) -> None:
    person = factories.user(role=Role.DEPLOYER, of=environment.application.team)
    actions.restart_environment(environment=environment, by=person)
    check(environment)
    assert not runtime.found["live"].running
    check(environment)
    assert runtime.found["live"].running
    assert not environment.restart_asked


def test_a_proxy_that_forgot_the_route_gets_it_again(environment: Environment, proxy: FakeProxy) -> None:
    check(environment)
    assert proxy.sites[environment.uuid.hex].route == Route(environment.uuid.hex, 20000, 21000)


def test_only_the_newest_releases_keep_their_image(
    environment: Environment, runtime: FakeRuntime, settings: Any
) -> None:
    settings.KEPT_RELEASES = 2
    for number in range(2, 6):
        factories.release(environment, number)
    check(environment)
    kept = Release.objects.filter(kept=True).order_by("number").values_list("number", flat=True)
    assert list(kept) == [1, 4, 5]  # the first one is live
    assert sorted(runtime.images_removed) == ["portal/x:2", "portal/x:3"]


def test_an_image_that_another_environment_stands_on_is_kept(
    environment: Environment, runtime: FakeRuntime, settings: Any
) -> None:
    settings.KEPT_RELEASES = 1
    factories.release(environment, 2, image="portal/x:shared")
    factories.release(environment, 3)
    factories.release(factories.environment(environment.application, "prod"), 1, image="portal/x:shared")
    check(environment)
    assert runtime.images_removed == []


def test_a_deleted_application_leaves_nothing_on_the_machine(
    environment: Environment, runtime: FakeRuntime, proxy: FakeProxy
) -> None:
    boss = factories.user(role=Role.ADMIN, of=environment.application.team)
    PortReservation.objects.create(instance=environment.instance, holder=environment.uuid, number=20000)
    actions.delete_application(application=environment.application, by=boss, force=True)
    environment.refresh_from_db()
    for _ in range(3):
        check(environment)
    assert runtime.found == {}
    assert proxy.sites == {}
    assert PortReservation.objects.count() == 0
    assert Deployment.objects.count() == 1


class BrokenRuntime(FakeRuntime):
    """An engine that is there for others."""

    key = "docker"

    def containers(self, labels: Any) -> list[Container]:
        raise HostError("permission denied")


def test_an_engine_that_is_not_for_us_does_not_stop_the_watch(
    environment: Environment, runtime: FakeRuntime, proxy: FakeProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"docker": BrokenRuntime(), "process": runtime}
    place = Place(host=FakeHost(), runtimes=both, proxy=proxy)  # type: ignore[arg-type]
    monkeypatch.setattr(watch, "place_of", lambda instance: place)
    runtime.stop("live")
    assert check(environment).health == Health.UNHEALTHY
    assert runtime.found["live"].running


def test_only_one_worker_takes_a_check_that_is_due(environment: Environment) -> None:
    Environment.objects.update(next_check_at=timezone.now() - timedelta(seconds=1))
    assert watch._take_one() == environment
    assert watch._take_one() is None
