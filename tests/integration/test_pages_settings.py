"""The forms of applications and environments, kept releases, images, and the comparison of two deployments."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deployments.models import Deployment, Environment, Release
from deployments.states import Status
from instances.models import Instance
from portal.core.models import Role, User
from portal.core.secrets import Secret
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def ada(client: Client) -> User:
    person = factories.user("ada", of=factories.team("Data"))
    client.force_login(person)
    return person


@pytest.fixture
def gpu() -> Instance:
    return Instance.objects.create(
        name="gpu-1", kind="server", status="running", ssh_host="gpu-1.example.org", host_keys=["x"]
    )


@pytest.fixture
def place(ada: User, gpu: Instance) -> Environment:
    application = factories.application("churn-api", of=ada.memberships.get().team)
    return factories.environment(application, "prod", instance=gpu)


def form_of(place: Environment, **fields: Any) -> dict[str, Any]:
    base = {
        "instance": place.instance_id, "on_failure": "keep", "websockets": "on", "body_mb": 50, "read_seconds": 60,
    }  # fmt: skip
    return base | fields


def settings_of(place: Environment) -> str:
    return reverse("environment-settings", args=[place.application.name, place.name])


def test_an_environment_is_set_as_the_form_says(client: Client, place: Environment) -> None:
    answer = client.post(
        settings_of(place),
        form_of(
            place, hostnames="Churn.example.org\n api.example.org ", path_prefix="/v1", https="on", body_mb="100",
            headers="X-Frame-Options: DENY\n\nX-Two: a: b", allow="10.0.0.0/8\n192.0.2.1", on_failure="stop",
            basic_auth="ada:canary-password",
        ),
    )  # fmt: skip

    assert answer.status_code == 302
    place.refresh_from_db()
    assert place.hostnames == ["churn.example.org", "api.example.org"]
    assert (place.path_prefix, place.https, place.on_failure) == ("/v1", True, "stop")
    assert place.proxy_options["body_mb"] == 100
    assert place.proxy_options["headers"] == {"X-Frame-Options": "DENY", "X-Two": "a: b"}
    assert place.proxy_options["allow"][0] == "10.0.0.0/8"
    page = client.get(settings_of(place)).content.decode()
    assert "X-Two: a: b" in page
    assert "canary-password" not in page

    client.post(settings_of(place), form_of(place, hostnames="churn.example.org"))
    place.refresh_from_db()
    assert place.basic_auth.reveal() == "ada:canary-password"
    client.post(settings_of(place), form_of(place, remove_basic_auth="on"))
    place.refresh_from_db()
    assert not place.basic_auth_sealed


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"hostnames": "*.example.org"}, "is a wildcard"),
        ({"https": "on"}, "HTTPS needs a host name"),
        ({"path_prefix": "/.well-known"}, "is reserved"),
        ({"public_port": "443"}, "from 1024"),
        ({"public_port": "22000"}, "used by the portal itself"),
        ({"body_mb": "0"}, "body_mb"),
        ({"headers": "no colon here"}, "between name and value"),
        ({"headers": "Content-Length: 5"}, "Content-Length"),
        ({"allow": "everywhere"}, "everywhere"),
        ({"basic_auth": "ada"}, "user:password"),
    ],
)
def test_what_is_refused_stands_beside_its_field(
    client: Client, place: Environment, fields: dict[str, str], sentence: str
) -> None:
    answer = client.post(settings_of(place), form_of(place, **fields))

    page = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in page
    assert 'class="errors"' in page
    place.refresh_from_db()
    assert (place.hostnames, place.proxy_options, place.https) == ([], {}, False)


def test_on_this_machine_the_form_says_why_there_are_no_names(client: Client, ada: User) -> None:
    place = factories.environment(factories.application(of=ada.memberships.get().team))
    page = client.get(settings_of(place)).content.decode()
    assert "on a port of its own" in page
    assert 'name="hostnames"' not in page
    answer = client.post(settings_of(place), form_of(place, branch="main", hostnames="a.example.org"))
    assert answer.status_code == 302
    place.refresh_from_db()
    assert (place.branch, place.hostnames) == ("main", [])


def test_a_viewer_sees_why_nothing_can_be_changed(client: Client, place: Environment) -> None:
    client.force_login(factories.user(role=Role.VIEWER, of=place.application.team))
    assert "You need the role" in client.get(settings_of(place)).content.decode()
    assert client.post(settings_of(place), form_of(place)).status_code == 403
    client.force_login(factories.user())
    assert client.get(settings_of(place)).status_code == 404


def settings_form(place: Environment, **fields: Any) -> dict[str, Any]:
    base = {"git_url": place.application.git_url, "dockerfile": "Dockerfile", "memory_mb": 512, "cpus": "1"}
    return base | fields


def test_hooks_build_arguments_and_the_test_are_set(client: Client, place: Environment) -> None:
    address = reverse("application-settings", args=[place.application.name])
    answer = client.post(
        address,
        settings_form(
            place, context="services/api", build_args="A=1\r\nB=x=y\r\n", test_command="pytest -q",
            hook_pre_deploy=" python migrate.py ", hook_on_failure="",
        ),
    )  # fmt: skip
    assert answer.status_code == 302
    place.application.refresh_from_db()
    application = place.application
    assert application.build_args == {"A": "1", "B": "x=y"}
    assert (application.context, application.test_command) == ("services/api", "pytest -q")
    assert application.hooks == {"pre_deploy": "python migrate.py"}
    page = client.get(application.get_absolute_url()).content.decode()
    assert 'value="python migrate.py"' in page
    assert "A=1\nB=x=y" in page

    refused = client.post(address, settings_form(place, build_args="1A=x", hook_pre_build="a\u2028b"))
    assert refused.status_code == 422
    assert "is not a name of a build argument" in refused.content.decode()
    assert "line break" in refused.content.decode()


def test_build_arguments_with_several_lines_survive_the_form(client: Client, place: Environment) -> None:
    application = place.application
    application.build_args = {"KEYS": "a\nb"}
    application.save()
    address = reverse("application-settings", args=[application.name])
    client.post(address, settings_form(place, build_args="KEYS=a"))
    application.refresh_from_db()
    assert application.build_args == {"KEYS": "a\nb"}


def test_an_image_is_deployed_and_the_repository_of_the_other_choice_ignored(
    client: Client, ada: User
) -> None:
    wish = {
        "source": "image",
        "image": "registry.example.org/app:1",
        "name": "ready-made",
        "git_url": "left over",
    }
    client.post(reverse("deploy"), wish)
    deployment = Deployment.objects.get()
    assert deployment.options == {"image": "registry.example.org/app:1"}

    page = client.get(deployment.application.get_absolute_url()).content.decode()
    assert "Deployed from images" in page
    answer = client.post(reverse("environment-deploy", args=["ready-made", "dev"]))
    form = client.get(answer["Location"]).content.decode()
    assert 'value="image" checked' in form
    assert 'value="ready-made"' in form


def test_a_refused_image_stands_beside_its_field(client: Client, ada: User) -> None:
    answer = client.post(reverse("deploy"), {"source": "image", "image": "", "name": "x-app"})
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "the reference of an image" in page
    assert 'value="image" checked' in page
    answer = client.post(reverse("deploy"), {"source": "image", "image": "UPPER", "name": "x-app"})
    assert "not the reference of an image" in answer.content.decode()


def test_a_new_machine_is_planned_with_the_deployment(client: Client, ada: User) -> None:
    page = client.get(reverse("deploy"), {"target": "ec2"}).content.decode()
    assert "New EC2 instance" in page
    wish = {"git_url": "https://github.com/acme/churn", "target": "ec2", "instance_type": "t3.small"}
    client.post(reverse("deploy"), wish | {"region": "eu-west-1", "instance_name": "churn-dev"})
    machine = Deployment.objects.get().instance
    assert (machine.name, machine.instance_type, machine.region) == ("churn-dev", "t3.small", "eu-west-1")


def test_what_is_stopped_or_drained_is_not_offered(client: Client, ada: User, gpu: Instance) -> None:
    assert "gpu-1 (Server, gpu-1.example.org)" in client.get(reverse("deploy")).content.decode()
    for change in ({"status": "stopped"}, {"status": "running", "draining": True}):
        Instance.objects.filter(pk=gpu.pk).update(**change)
        assert "gpu-1" not in client.get(reverse("deploy")).content.decode()


def test_a_release_is_kept_and_let_go(client: Client, place: Environment) -> None:
    live, older = factories.release(place, 2), factories.release(place, 1)
    Environment.objects.update(live_release=live)
    names = [place.application.name, place.name, older.number]
    page = client.get(place.application.get_absolute_url()).content.decode()
    assert reverse("release-protect", args=names) in page
    client.post(reverse("release-protect", args=names))
    assert Release.objects.get(number=1).protected
    page = client.get(place.application.get_absolute_url()).content.decode()
    assert reverse("release-unprotect", args=names) in page
    client.post(reverse("release-unprotect", args=names))
    assert not Release.objects.get(number=1).protected
    assert client.post(reverse("release-protect", args=[*names[:2], 99])).status_code == 404


def test_the_comparison_names_what_changed_and_shows_no_value(client: Client, ada: User) -> None:
    place = factories.environment(factories.application(of=ada.memberships.get().team))
    rows = []
    for number, text in ((1, '{"API_KEY": "canary-1"}'), (2, '{"API_KEY": "canary-2"}')):
        release = factories.release(place, number, commit_subject=f"Change {number}", commit=str(number) * 40)
        release.variables = Secret(text)
        release.save()
        rows.append(factories.deployment_at(Status.SUCCEEDED, of=place, release=release))
    address = reverse("deployment-compare", args=[rows[1].short_id])
    page = client.get(address).content.decode()
    assert "API_KEY" in page
    assert "Change 1" in page and "Change 2" in page
    assert "canary" not in page
    assert client.get(address, {"with": "ffffffff"}).status_code == 422
    assert (
        "Nothing to compare"
        in client.get(reverse("deployment-compare", args=[rows[0].short_id])).content.decode()
    )
