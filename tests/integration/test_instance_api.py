"""The API of machines: the same doors and the same refusals as the pages."""

from typing import Any

import pytest

from instances import showing
from instances.api import machines
from instances.hosts import keys
from instances.hosts.base import HostError
from instances.models import Instance
from instances.states import Kind, Status, Wanted
from portal.core.models import Role, Team
from tests import factories
from tests.integration.api_client import ApiClient, is_problem
from tests.integration.test_instance_pages import ec2, orphan, server

pytestmark = pytest.mark.django_db


@pytest.fixture
def team() -> Team:
    return factories.team("Data")


@pytest.fixture
def api(team: Team) -> ApiClient:
    return ApiClient(factories.user("ada", of=team))


def test_the_list_merges_what_the_portal_and_aws_know(team: Team, api: ApiClient) -> None:
    ec2(team, "gpu-1", aws_state="stopped")
    server(team, "box-1")
    orphan(details={"state": "running", "instance_type": "t3.micro", "team": team.slug})

    rows = {row["name"]: row for row in api.get("/api/v1/instances").json()["instances"]}

    assert (rows["gpu-1"]["source"], rows["gpu-1"]["state_match"]) == ("db+aws", False)
    assert (rows["box-1"]["source"], rows["box-1"]["state_match"]) == ("db_only", None)
    assert (rows["lost"]["source"], rows["lost"]["aws_state"]) == ("aws_only", "running")
    assert rows["gpu-1"]["cost_per_hour"] == "0.0176"


@pytest.mark.parametrize(
    ("source", "names"),
    [("db", ["box-1", "gpu-1"]), ("aws", ["gpu-1", "lost"]), ("merged", ["box-1", "gpu-1", "lost"])],
)
def test_the_source_says_whose_list_it_is(source: str, names: list[str], team: Team, api: ApiClient) -> None:
    ec2(team, "gpu-1")
    server(team, "box-1")
    orphan(details={"state": "running", "team": team.slug})

    rows = api.get("/api/instances", source=source).json()["instances"]

    assert [row["name"] for row in rows] == names


def test_one_instance_with_what_is_on_it_and_what_was_measured(team: Team, api: ApiClient) -> None:
    machine = ec2(team, facts={"cpus": 2})
    factories.environment(factories.application("churn-api", of=team), instance=machine)

    body = api.get("/api/v1/instances/gpu-1").json()

    assert body["applications"][0]["application"] == "churn-api"
    assert (body["facts"], body["metrics"]) == ({"cpus": 2}, {})
    assert body["instance"]["instance_id"] == machine.aws_id
    is_problem(api.get("/api/v1/instances/nothing"), 404)


def test_a_server_is_added_and_answers_with_the_key_to_put_there(team: Team, api: ApiClient) -> None:
    answer = api.post("/api/v1/instances", {"name": "box-1", "ssh_host": "10.0.0.5", "ssh_user": "ubuntu"})

    assert answer.status_code == 201, answer.content
    row = answer.json()["instance"]
    assert row["public_key"].startswith("ssh-ed25519 ")
    assert (row["kind"], row["status"], row["team"]) == ("server", "pending", team.slug)
    assert b"PRIVATE" not in answer.content


def test_an_uploaded_key_is_taken_and_never_shown(team: Team, api: ApiClient) -> None:
    pair = keys.make()
    body = {"name": "box-1", "ssh_host": "10.0.0.5", "private_key": pair.private.reveal()}

    answer = api.post("/api/v1/instances", body)

    assert answer.json()["instance"]["public_key"] == pair.public
    assert b"PRIVATE" not in answer.content
    assert "PRIVATE" not in Instance.objects.get(name="box-1").private_key_sealed


@pytest.mark.parametrize(
    "field",
    [
        {"ssh_host": "localhost"}, {"ssh_host": "::1"}, {"ssh_host": "a$(id)"}, {"ssh_host": 5},
        {"ssh_port": 0}, {"ssh_port": "22 "}, {"ssh_port": 22.0}, {"ssh_port": True},
        {"ssh_user": "a b"}, {"ssh_user": "-l"}, {"ssh_user": "Root"}, {"name": "a;id"}, {"name": "sync"},
        {"name": "Ünï"}, {"private_key": "-----BEGIN nonsense"}, {"region": "us-east-1"}, {"unknown": 1},
    ],
)  # fmt: skip
def test_what_is_no_server_is_refused(field: dict[str, Any], team: Team, api: ApiClient) -> None:
    body = {"name": "box-1", "ssh_host": "10.0.0.5"} | field

    problem = is_problem(api.post("/api/v1/instances", body), 400)

    assert next(iter(field)) in str(problem["errors"])
    assert not Instance.objects.filter(kind=Kind.SERVER).exists()


@pytest.mark.parametrize(
    "field",
    [
        {"instance_type": "p5.48xlarge"}, {"volume_gb": 7}, {"volume_gb": 99999}, {"region": "mars-1"},
        {"region": "us-east-1;id"}, {"image_id": "ami-xyz"}, {"subnet": "10.0.0.0/24"}, {"zone": "eu-west-1a"},
        {"ssh_host": "10.0.0.5"},
    ],
)  # fmt: skip
def test_what_aws_could_not_make_is_refused(field: dict[str, Any], api: ApiClient) -> None:
    body = {"kind": "ec2", "name": "gpu-1", "region": "us-east-1"} | field

    is_problem(api.post("/api/v1/instances", body), 400)
    assert not Instance.objects.filter(kind=Kind.EC2).exists()


def test_a_machine_is_planned_and_has_its_price(team: Team, api: ApiClient) -> None:
    answer = api.post("/api/v1/instances", {"kind": "ec2", "name": "gpu-1", "instance_type": "t3.micro"})

    assert answer.status_code == 201, answer.content
    assert answer.json()["instance"]["cost_per_hour"] is not None
    assert Instance.objects.get(name="gpu-1").due_at is None


def test_stop_start_and_terminate_write_the_wish_down(team: Team, api: ApiClient) -> None:
    machine = ec2(team)

    assert api.post("/api/v1/instances/gpu-1/stop").json()["instance"]["status"] == "stopping"
    is_problem(api.post("/api/v1/instances/gpu-1/start"), 409)
    is_problem(api.post("/api/v1/instances/gpu-1/terminate", {"confirm": "gpu-2"}), 400)
    machine.refresh_from_db()
    assert machine.wanted == Wanted.STOPPED

    assert api.post("/api/v1/instances/gpu-1/terminate", {"confirm": "gpu-1"}).status_code == 202
    machine.refresh_from_db()
    assert machine.wanted == Wanted.TERMINATED


@pytest.mark.parametrize("what", ["start", "stop", "reboot", "terminate", "validate", "drain", "host-key"])
def test_a_foreign_machine_is_not_found(what: str, api: ApiClient) -> None:
    machine = ec2(factories.team("Other"))
    body = {"terminate": {"confirm": "gpu-1"}, "host-key": {"host_key": keys.make().public}}.get(what)

    is_problem(api.post(f"/api/v1/instances/gpu-1/{what}", body), 404)

    machine.refresh_from_db()
    assert (machine.wanted, machine.status) == (Wanted.RUNNING, Status.RUNNING)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEPLOYER, Role.APPROVER])
@pytest.mark.parametrize("what", ["stop", "reboot", "terminate", "drain", "validate"])
def test_roles_that_manage_no_machines_are_refused(what: str, role: str, team: Team) -> None:
    ec2(team)
    client = ApiClient(factories.user(role=role, of=team))

    body = {"confirm": "gpu-1"} if what == "terminate" else None
    is_problem(client.post(f"/api/v1/instances/gpu-1/{what}", body), 403)


def test_a_token_that_only_looks_changes_nothing(team: Team) -> None:
    ec2(team)
    client = ApiClient(factories.user(of=team), "read")

    assert client.get("/api/v1/instances/gpu-1").status_code == 200
    is_problem(client.post("/api/v1/instances/gpu-1/stop"), 403)


def test_the_fingerprint_is_pinned_only_when_the_server_still_shows_it(
    team: Team, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, key = server(team), keys.make().public
    monkeypatch.setattr(showing, "scan", lambda host, port, timeout: key)
    address = "/api/v1/instances/box-1/host-key"

    offered = api.get(address).json()
    is_problem(api.post(address, {"fingerprint": keys.fingerprint(keys.make().public)}), 400)
    box.refresh_from_db()
    assert box.host_keys == []

    pinned = api.post(address, {"fingerprint": offered["fingerprint"]}).json()["pinned"]
    assert pinned == [keys.fingerprint(key)]


def test_another_key_than_the_pinned_one_waits_for_a_second_person(team: Team, api: ApiClient) -> None:
    box = server(team, host_keys=[keys.make().public], status=Status.RUNNING)
    new = keys.make().public
    address = "/api/v1/instances/box-1/host-key"

    is_problem(api.post(address, {"host_key": new}), 400)
    api.post(address, {"host_key": new, "reason": "New disk"})
    decision = {"decision": "confirm", "fingerprint": keys.fingerprint(new)}
    is_problem(api.post(f"{address}/decision", decision), 403)
    box.refresh_from_db()
    assert new not in box.host_keys

    bob = ApiClient(factories.user("bob", of=team))
    assert bob.post(f"{address}/decision", decision).json()["pinned"] == [keys.fingerprint(new)]


FACTS = {
    "family": "debian", "os_name": "Ubuntu 22.04.4 LTS", "os_version": "22.04", "arch": "x86_64", "cpus": 2,
    "memory_mb": 4000, "swap_mb": 0, "disk_free_mb": 20000, "disk_total_mb": 40000, "docker": "26.1", "nginx": "",
    "git": "2.34", "sudo": True, "systemd": True, "reboot_needed": False, "open_ports": [22], "kernel": "6.5",
}  # fmt: skip


def test_validating_reads_the_facts_and_takes_the_server_into_use(
    team: Team, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = server(team, host_keys=[keys.make().public])
    monkeypatch.setattr("instances.actions.inspecting.read_facts", lambda host: dict(FACTS))

    body = api.post("/api/v1/instances/box-1/validate").json()

    tones = {check["name"]: check["tone"] for check in body["checks"]}
    box.refresh_from_db()
    assert body["success"]
    assert (tones["Docker"], tones["NGINX"], tones["Disk"]) == ("good", "warn", "good")
    assert (box.status, box.facts["docker"]) == (Status.RUNNING, "26.1")


def test_a_server_without_rights_stays_out_of_use(
    team: Team, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = server(team, host_keys=[keys.make().public])
    monkeypatch.setattr("instances.actions.inspecting.read_facts", lambda host: FACTS | {"sudo": False})

    body = api.post("/api/v1/instances/box-1/validate").json()

    box.refresh_from_db()
    assert not body["success"]
    assert "NOPASSWD" in str(body["checks"])
    assert box.status == Status.PENDING


def test_a_silent_server_says_what_to_look_at(
    team: Team, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(host: Any) -> Any:
        raise HostError("connection timed out")

    server(team, host_keys=[keys.make().public])
    monkeypatch.setattr("instances.actions.inspecting.read_facts", silent)

    checks = api.post("/api/v1/instances/box-1/validate").json()["checks"]

    assert "timed out" in checks[0]["message"]
    assert "firewall" in checks[0]["fix"]


def test_nothing_is_sent_before_the_fingerprint_is_confirmed(team: Team, api: ApiClient) -> None:
    server(team)

    problem = is_problem(api.post("/api/v1/instances/box-1/validate"), 409)

    assert problem["code"] == "host_key_unconfirmed"


def test_orphans_are_listed_adopted_and_deleted(team: Team, api: ApiClient) -> None:
    machine = orphan(details={"state": "running", "instance_type": "t3.micro", "team": team.slug})

    row = api.get("/api/v1/instances/orphans").json()["orphans"][0]
    assert (row["identifier"], row["cost_per_day"]) == (machine.identifier, "0.37")
    address = f"/api/v1/instances/orphans/{machine.identifier}"
    is_problem(api.post(f"{address}/delete", {"confirm": "yes"}), 400)

    assert api.post(f"{address}/adopt", {"name": "found-1"}).status_code == 201
    assert Instance.objects.get(name="found-1").aws_id == machine.identifier


def test_comparing_says_when_nobody_answered(
    team: Team, api: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "SYNC_SECONDS", 0.1)
    assert api.post("/api/v1/instances/sync").json() == {"success": True, "synced": 0, "changes": []}

    ec2(team)
    is_problem(api.post("/api/instances/sync"), 503)


def test_fields_are_changed_and_the_row_removed(team: Team, api: ApiClient) -> None:
    server(team, host_keys=[keys.make().public], status=Status.RUNNING)
    address = "/api/v1/instances/box-1"

    row = api.send("PATCH", address, {"ssh_port": 2222, "max_applications": 3}).json()["instance"]
    assert (row["ssh_port"], row["max_applications"]) == (2222, 3)
    is_problem(api.send("PATCH", address, {"ssh_host": "127.0.0.1"}), 400)
    is_problem(api.send("PATCH", address, {"region": "us-east-1"}), 400)

    is_problem(api.send("DELETE", f"{address}?confirm=other"), 400)
    assert api.send("DELETE", f"{address}?confirm=box-1").status_code == 204
    is_problem(api.get(address), 404)
