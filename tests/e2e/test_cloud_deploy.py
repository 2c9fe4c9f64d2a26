"""The whole journey on machines that are not this one: a new EC2 instance, and a server somebody has."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cloud import Cloud, get, push_files, register
from tests.e2e.load import Load
from tests.e2e.portal_process import Portal, wait_until

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.cloudbox,
    pytest.mark.timeout(900),
]

STEPS = [
    "validate", "dockerfile", "security_group", "instance", "ssh", "docker",
    "nginx", "clone", "build", "run", "proxy", "health",
]  # fmt: skip


@pytest.fixture(scope="module")
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory, cloud: Cloud) -> Iterator[Portal]:
    portal = cloud.portal(tmp_path_factory.mktemp("portal"), PORTAL_INSTALLATION=cloud.named("journey"))
    portal.start_worker()
    yield portal
    portal.close()
    cloud.end_machines(cloud.named("journey"))


@pytest.fixture(scope="module")
def repository(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`hello` in a repository of our own."""
    url = cloud.new_repository(cloud.named("journey"))
    push_files(cloud, tmp_path_factory.mktemp("first"), url, "hello", version="first")
    return url


@pytest.fixture(scope="module")
def made(portal: Portal, repository: str) -> dict[str, Any]:
    """`hello` on an instance that the portal makes for it."""
    return portal.wait_for_end(portal.deploy(repository, target="ec2", name="hello"), seconds=240)


def test_a_git_url_becomes_a_live_url_on_a_new_instance(
    portal: Portal, cloud: Cloud, made: dict[str, Any]
) -> None:
    assert (made["status"], made["code"]) == ("succeeded", ""), made
    assert [step[0] for step in made["steps"]] == STEPS
    assert {step[1] for step in made["steps"]} <= {"succeeded", "skipped"}
    assert made["numbers"] == list(range(1, made["count"] + 1))
    status, text = get(made["url"])
    assert (status, '"app": "hello"' in text) == (200, True)
    assert made["url"].count(":") == 1, "it answers on port 80"
    machines = cloud.machines(cloud.named("journey"))
    assert len(machines) == 1
    tags = {tag["Key"]: tag["Value"] for tag in machines[0]["Tags"]}
    assert tags["ManagedBy"] == "portal"
    assert machines[0]["MetadataOptions"]["HttpTokens"] == "required"


def test_the_host_key_that_travelled_in_the_user_data_is_no_longer_the_pinned_one(
    portal: Portal, made: dict[str, Any]
) -> None:
    answer = portal.run(
        """
        import json
        from instances.hosts.of import host_of
        from instances.models import Instance
        instance = Instance.objects.get(kind="ec2")
        answer = dict(
            pinned=instance.host_keys, launch=instance.launch.reveal(), ok=host_of(instance).call(["true"]).ok
        )
        """
    )
    assert len(answer["pinned"]) == 1
    assert answer["pinned"][0].split()[1] not in answer["launch"]
    assert answer["ok"]


def test_a_changed_commit_is_put_on_the_same_machine_and_a_rollback_brings_the_old_one_back(
    portal: Portal, cloud: Cloud, made: dict[str, Any], repository: str, tmp_path: Path
) -> None:
    load = Load(made["url"])
    push_files(cloud, tmp_path, repository, "hello", version="changed")
    again = portal.wait_for_end(portal.deploy(repository), seconds=120)
    assert again["status"] == "succeeded", again
    assert '"version": "changed"' in get(made["url"])[1]
    assert len(cloud.machines(cloud.named("journey"))) == 1
    began = time.monotonic()
    uuid = portal.run(
        """
        from deployments import actions
        from deployments.models import Environment
        from portal.core.models import User
        environment = Environment.objects.get(application__name="hello")
        answer = str(actions.rollback(environment=environment, by=User.objects.get()).deployment.uuid)
        """
    )
    back = portal.wait_for_end(uuid, seconds=60)
    assert back["status"] == "succeeded", back
    assert time.monotonic() - began < 30
    assert '"version": "changed"' not in get(made["url"])[1]
    load.stop()
    assert load.failed == []


def test_the_same_commit_is_not_built_twice(portal: Portal, made: dict[str, Any], repository: str) -> None:
    ends = [portal.wait_for_end(portal.deploy(repository), seconds=120) for _ in range(2)]
    build = next(step for step in ends[1]["steps"] if step[0] == "build")
    assert build[1] == "skipped", build


def test_a_second_application_on_the_instance_gets_a_port_of_its_own_or_a_name(
    portal: Portal, cloud: Cloud, made: dict[str, Any]
) -> None:
    target = portal.run(
        "from instances.models import Instance; answer = Instance.objects.get(kind='ec2').name"
    )
    other = portal.wait_for_end(
        portal.deploy(cloud.app("hello"), target=target, name="hello-two"), seconds=120
    )
    assert other["status"] == "succeeded", other
    assert other["url"] != made["url"]
    assert get(other["url"])[0] == 200
    assert get(made["url"])[0] == 200


def test_values_arrive_byte_for_byte(portal: Portal, cloud: Cloud, made: dict[str, Any]) -> None:
    value = "a'b\"c$d`e\\f\nsecond line\ttab é 漢 $(touch /tmp/pwned) ;&|"
    target = portal.run(
        "from instances.models import Instance; answer = Instance.objects.get(kind='ec2').name"
    )
    end = portal.wait_for_end(
        portal.deploy(cloud.app("hello"), target=target, name="variables", variables={"APP_VALUE": value}),
        seconds=120,
    )
    import json

    assert json.loads(get(end["url"] + "env")[1])["APP_VALUE"] == value


def test_an_address_that_changes_is_healed(portal: Portal, cloud: Cloud, made: dict[str, Any]) -> None:
    ask = """
        from instances import actions
        from instances.models import Instance
        from portal.core.models import User
        actions.{verb}(instance=Instance.objects.get(kind="ec2"), by=User.objects.get())
    """
    look = "from instances.models import Instance; i = Instance.objects.get(kind='ec2'); answer = [i.status, i.address]"
    before = portal.run(look)[1]
    portal.run(ask.format(verb="stop"))
    wait_until(lambda: portal.run(look), lambda seen: seen[0] == "stopped", seconds=60)
    portal.run(ask.format(verb="start"))
    wait_until(lambda: portal.run(look), lambda seen: seen[0] == "running" and seen[1] != before, seconds=90)
    url = wait_until(
        lambda: portal.run(
            "from deployments.models import Environment; "
            "answer = Environment.objects.get(application__name='hello').url"
        ),
        lambda url: before not in url,
        seconds=60,
    )
    wait_until(lambda: _status(url), lambda status: status == 200, seconds=60)


def test_a_server_somebody_has_needs_no_aws(tmp_path: Path, cloud: Cloud) -> None:
    server = cloud.add_server(cloud.named("journey"))
    portal = cloud.portal(
        tmp_path, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_ENDPOINT_URL="http://127.0.0.1:9"
    )
    try:
        register(portal, server, "box")
        portal.start_worker()
        end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target="box"), seconds=240)
        assert (end["status"], end["code"]) == ("succeeded", ""), end
        skipped = {step[0] for step in end["steps"] if step[1] == "skipped"}
        assert {"security_group", "instance"} <= skipped
        assert get(end["url"])[0] == 200
    finally:
        portal.close()
        cloud.remove_server(cloud.named("journey"))


def test_a_server_behind_another_one_is_reached_through_it(tmp_path: Path, cloud: Cloud) -> None:
    front, behind = cloud.named("front"), cloud.named("behind")
    servers = {name: cloud.add_server(name) for name in (front, behind)}
    portal = cloud.portal(tmp_path)
    try:
        register(portal, servers[front], front)
        register(portal, servers[behind], behind, jump=front)
        portal.start_worker()
        end = portal.wait_for_end(portal.deploy(cloud.app("hello"), target=behind), seconds=240)
        assert end["status"] == "succeeded", end
        peers = portal.run(
            f"""
            from instances.hosts.of import host_of
            from instances.models import Instance
            command = ["ss", "-Htn", "state", "established", "sport", "=", ":22"]
            lines = host_of(Instance.objects.get(name={behind!r})).call(command).out.splitlines()
            answer = [line.split()[3].rsplit(":", 1)[0] for line in lines]
            """
        )
        assert {peer.strip("[]").removeprefix("::ffff:") for peer in peers} == {servers[front]["address"]}
    finally:
        portal.close()
        for name in servers:
            cloud.remove_server(name)


def test_host_names_share_a_machine_and_a_certificate_makes_it_https(tmp_path: Path, cloud: Cloud) -> None:
    """The certificate is there already, as after certbot: no authority can be reached from here."""
    server = cloud.add_server(cloud.named("names"))
    portal = cloud.portal(tmp_path)
    try:
        register(portal, server, "names")
        portal.run(
            """
            from instances.hosts.of import host_of
            from instances.models import Instance
            folder = "/etc/letsencrypt/live/secure.example.com"
            made = host_of(Instance.objects.get(name="names")).call(["sh", "-c", (
                f"mkdir -p {folder} && openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=secure.example.com "
                f"-keyout {folder}/privkey.pem -out {folder}/fullchain.pem"
            )], timeout=30)
            assert made.ok, made.err
            """
        )
        portal.start_worker()
        ends = {}
        for name, https in (("plain", False), ("secure", True)):
            portal.run(
                f"""
                from deployments import actions
                from instances.models import Instance
                from portal.core.models import Team, User
                by = User.objects.get(username="admin")
                application = actions.create_application(
                    by=by, team=Team.objects.get(), git_url={cloud.app("hello")!r}, name={name!r}
                )
                actions.create_environment(
                    application=application, by=by, name="dev", instance=Instance.objects.get(name="names"),
                    hostnames=["{name}.example.com"], https={https},
                )
                """
            )
            ends[name] = portal.wait_for_end(portal.deploy(cloud.app("hello"), name=name), seconds=240)
            assert ends[name]["status"] == "succeeded", ends[name]
        assert ends["secure"]["url"] == "https://secure.example.com/"
        address = server["address"]
        assert _ask(address, "http://plain.example.com/") == "200"
        assert _ask(address, "http://secure.example.com/") == "308"
        assert _ask(address, "https://secure.example.com/") == "200"
        wait_until(
            lambda: portal.run(
                "from deployments.models import Environment; "
                "answer = str(Environment.objects.get(application__name='secure').certificate_until)"
            ),
            lambda until: until != "None",
            seconds=30,
        )
    finally:
        portal.close()
        cloud.remove_server(cloud.named("names"))


def _ask(address: str, url: str) -> str:
    """The status under a name that no resolver knows."""
    name, port = url.split("/")[2], "443" if url.startswith("https") else "80"
    return subprocess.run(
        ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", "--resolve", f"{name}:{port}:{address}", url],
        capture_output=True, text=True, timeout=20,
    ).stdout  # fmt: skip


def _status(url: str) -> int:
    try:
        return get(url)[0]
    except OSError:
        return 0
