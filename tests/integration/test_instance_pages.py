"""The pages of machines: what they show, what they offer, and what they refuse."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from instances import actions, showing
from instances.clouds.base import Check
from instances.hosts import keys
from instances.models import Instance, Measurement, Orphan
from instances.states import Kind, OrphanKind, Status, Wanted
from portal.checks import clouds
from portal.core.models import AuditEvent, Role, Team
from tests import factories

pytestmark = pytest.mark.django_db


def ec2(team: Team | None, name: str = "gpu-1", **fields: Any) -> Instance:
    defaults: dict[str, Any] = {
        "kind": Kind.EC2, "status": Status.RUNNING, "region": "us-east-1", "zone": "us-east-1a",
        "instance_type": "t3.micro", "aws_id": f"i-{abs(hash(name)):017x}"[:19], "aws_state": "running",
        "public_ip": "203.0.113.7", "private_ip": "10.0.0.7", "address": "203.0.113.7", "client_token": "t",
        "launched_at": timezone.now(), "max_applications": 10,
    }  # fmt: skip
    return Instance.objects.create(name=name, team=team, **(defaults | fields))


def server(team: Team | None, name: str = "box-1", **fields: Any) -> Instance:
    pair = keys.make()
    defaults: dict[str, Any] = {
        "kind": Kind.SERVER, "status": Status.PENDING, "ssh_host": "10.0.0.5", "ssh_user": "root",
        "address": "10.0.0.5", "public_key": pair.public,
    }  # fmt: skip
    made = Instance(name=name, team=team, **(defaults | fields))
    made.private_key = pair.private
    made.save()
    return made


def orphan(**fields: Any) -> Orphan:
    defaults: dict[str, Any] = {
        "kind": OrphanKind.MACHINE, "region": "us-east-1", "identifier": "i-0123456789abcdef0",
        "name": "lost", "seen_at": timezone.now(), "made_at": timezone.now() - timedelta(days=3),
        "details": {"state": "running", "instance_type": "t3.micro", "public_ip": "203.0.113.9"},
    }  # fmt: skip
    return Orphan.objects.create(**(defaults | fields))


@pytest.fixture
def team() -> Team:
    return factories.team("Data")


@pytest.fixture
def ada(team: Team, client: Client) -> Any:
    person = factories.user("ada", of=team)
    client.force_login(person)
    return person


def test_the_list_shows_what_a_machine_is_and_where(team: Team, ada: Any, client: Client) -> None:
    machine = ec2(team)

    page = client.get("/instances/").content.decode()

    for text in (
        "gpu-1",
        machine.aws_id,
        "203.0.113.7",
        "10.0.0.7",
        "t3.micro",
        "us-east-1a",
        "Portal and AWS",
    ):
        assert text in page


def test_start_is_offered_for_what_is_stopped_and_stop_for_what_runs(
    team: Team, ada: Any, client: Client
) -> None:
    runs, stopped = ec2(team, "runs"), ec2(team, "stopped", status=Status.STOPPED, aws_state="stopped")

    page = client.get("/instances/").content.decode()

    assert f"button-stop-{runs.pk}" in page
    assert f"button-start-{stopped.pk}" in page
    assert f"button-start-{runs.pk}" not in page
    assert f"button-stop-{stopped.pk}" not in page


def test_the_list_says_when_aws_and_the_portal_disagree(team: Team, ada: Any, client: Client) -> None:
    ec2(team, aws_state="stopped")

    assert "AWS: stopped" in client.get("/instances/").content.decode()


def test_the_source_filter_shows_only_what_aws_has(team: Team, ada: Any, client: Client) -> None:
    ec2(team)
    server(team)

    page = client.get("/instances/?source=aws").content.decode()

    assert "gpu-1" in page
    assert "box-1" not in page


def test_stopping_is_written_down_and_done_by_the_fleet(team: Team, ada: Any, client: Client) -> None:
    machine = ec2(team)

    client.post(reverse("instance-stop", args=["gpu-1"]))

    machine.refresh_from_db()
    assert (machine.status, machine.wanted) == (Status.STOPPING, Wanted.STOPPED)
    assert machine.due_at is not None
    assert AuditEvent.objects.filter(action="instance.stop", actor=ada, allowed=True).exists()


def test_terminating_lists_what_dies_and_needs_the_name(team: Team, ada: Any, client: Client) -> None:
    machine = ec2(team)
    place = factories.environment(factories.application("churn-api", of=team), instance=machine)
    place.url = "http://203.0.113.7/"
    place.save()
    address = reverse("instance-terminate", args=["gpu-1"])

    page = client.get(address).content.decode()
    wrong = client.post(address, {"confirm": "gpu-2"})

    machine.refresh_from_db()
    assert "churn-api" in page
    assert "http://203.0.113.7/" in page
    assert wrong.status_code == 422
    assert machine.wanted == Wanted.RUNNING

    client.post(address, {"confirm": "gpu-1"})
    machine.refresh_from_db()
    assert (machine.status, machine.wanted) == (Status.TERMINATING, Wanted.TERMINATED)


def test_a_stranger_finds_no_machine_of_another_team(client: Client) -> None:
    machine = ec2(factories.team("Other"))
    client.force_login(factories.user("eve"))

    assert client.get("/instances/gpu-1/").status_code == 404
    assert client.post(reverse("instance-terminate", args=["gpu-1"]), {"confirm": "gpu-1"}).status_code == 404
    machine.refresh_from_db()
    assert machine.wanted == Wanted.RUNNING
    assert b"gpu-1" not in client.get("/instances/").content


@pytest.mark.parametrize("role", [Role.VIEWER, Role.DEPLOYER, Role.APPROVER])
def test_only_those_who_manage_a_machine_may_end_it(role: str, team: Team, client: Client) -> None:
    machine = ec2(team)
    client.force_login(factories.user("vera", role=role, of=team))

    answer = client.post(reverse("instance-terminate", args=["gpu-1"]), {"confirm": "gpu-1"})

    machine.refresh_from_db()
    assert answer.status_code == 403
    assert machine.wanted == Wanted.RUNNING


def test_a_deployer_may_end_the_machine_that_was_made_for_him(team: Team, client: Client) -> None:
    dora = factories.user("dora", role=Role.DEPLOYER, of=team)
    machine = ec2(team, created_by=dora)
    client.force_login(dora)

    client.post(reverse("instance-terminate", args=["gpu-1"]), {"confirm": "gpu-1"})

    machine.refresh_from_db()
    assert machine.wanted == Wanted.TERMINATED


SERVER = {"name": "box-1", "ssh_host": "10.0.0.5", "ssh_port": "22", "ssh_user": "root"}


def test_a_server_is_added_and_its_page_shows_the_line_to_paste(team: Team, ada: Any, client: Client) -> None:
    answer = client.post("/instances/add/", SERVER | {"team": team.pk})

    made = Instance.objects.get(name="box-1")
    page = client.get(answer["Location"]).content.decode()
    assert made.public_key.startswith("ssh-ed25519 ")
    assert made.public_key.split()[1] in page
    assert "authorized_keys" in page
    assert made.private_key.reveal() not in page
    assert (made.status, made.host_keys) == (Status.PENDING, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ssh_host", "127.0.0.1"), ("ssh_host", "169.254.169.254"), ("ssh_host", "-oProxyCommand=id"),
        ("ssh_host", "a;id"), ("ssh_port", "0"), ("ssh_port", "65536"), ("ssh_port", "٢٢"),
        ("ssh_user", "root;id"), ("ssh_user", "-l"), ("ssh_user", "Root"), ("name", "$(id)"),
        ("name", "Box"), ("name", "add"), ("name", "a--b"), ("private_key", "nonsense"),
    ],
)  # fmt: skip
def test_what_is_no_server_is_refused_beside_its_field(
    field: str, value: str, team: Team, ada: Any, client: Client
) -> None:
    answer = client.post("/instances/add/", SERVER | {"team": team.pk, field: value})

    assert answer.status_code == 422
    assert answer.context["form"].errors[field]
    assert not Instance.objects.filter(kind=Kind.SERVER).exists()


def test_the_shown_fingerprint_is_pinned_by_the_person_who_compared_it(
    team: Team, ada: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    box, key = server(team), keys.make().public
    monkeypatch.setattr(showing, "scan", lambda host, port, timeout: key)

    shown = client.get(reverse("instance-host-key", args=["box-1"])).content.decode()
    client.post(reverse("instance-host-key-confirm", args=["box-1"]), {"host_key": key})

    box.refresh_from_db()
    assert keys.fingerprint(key) in shown
    assert box.host_keys == [keys.check_public_key(key)]
    assert box.host_key_confirmed_by == ada


def test_another_key_than_the_pinned_one_is_an_alarm(
    team: Team, ada: Any, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned, shown = keys.make().public, keys.make().public
    server(team, host_keys=[pinned], status=Status.RUNNING)
    monkeypatch.setattr(showing, "scan", lambda host, port, timeout: shown)

    page = client.get(reverse("instance-host-key", args=["box-1"])).content.decode()

    assert "another key than the one that is pinned" in page
    assert keys.fingerprint(pinned) in page
    assert keys.fingerprint(shown) in page


def test_changing_a_pinned_key_takes_two_people(team: Team, ada: Any, client: Client) -> None:
    pinned, new = keys.make().public, keys.make().public
    box = server(team, host_keys=[pinned], status=Status.RUNNING)
    decide = reverse("instance-host-key-decide", args=["box-1"])
    confirmed = {"decision": "confirm", "fingerprint": keys.fingerprint(new)}
    client.post(reverse("instance-host-key-propose", args=["box-1"]), {"host_key": new, "reason": "New disk"})

    own = client.post(decide, confirmed)
    box.refresh_from_db()
    assert own.status_code == 403
    assert box.host_keys == [pinned]

    client.force_login(factories.user("bob", of=team))
    assert "New disk" in client.get("/instances/box-1/").content.decode()
    client.post(decide, confirmed)
    box.refresh_from_db()
    assert box.host_keys == [new]
    assert (
        AuditEvent.objects.get(action="instance.host_key_change", allowed=True).details["proposed_by"]
        == "ada"
    )


def test_a_second_person_confirms_only_the_key_that_was_seen(team: Team, ada: Any) -> None:
    pinned, new = keys.make().public, keys.make().public
    box = server(team, host_keys=[pinned], status=Status.RUNNING)
    actions.propose_host_key(instance=box, by=ada, host_key=new, reason="New disk")
    bob = factories.user("bob", of=team)

    with pytest.raises(Exception, match="Another key was proposed"):
        actions.confirm_key_change(instance=box, by=bob, fingerprint=keys.fingerprint(pinned))

    box.refresh_from_db()
    assert box.host_keys == [pinned]


def test_a_machine_of_aws_is_planned_and_made_later(team: Team, ada: Any, client: Client) -> None:
    body = {
        "name": "gpu-9",
        "team": team.pk,
        "region": "eu-west-1",
        "instance_type": "t3.small",
        "volume_gb": "30",
    }

    client.post("/instances/add/ec2/", body)
    made = Instance.objects.get(name="gpu-9")
    assert (made.status, made.due_at, made.region, made.volume_gb) == (Status.PENDING, None, "eu-west-1", 30)

    client.post(reverse("instance-create", args=["gpu-9"]))
    made.refresh_from_db()
    assert made.due_at is not None


def test_an_open_port_22_is_warned_of_and_refused_when_strict(
    team: Team, ada: Any, client: Client, settings: Any
) -> None:
    body = {
        "name": "gpu-9",
        "team": team.pk,
        "region": "eu-west-1",
        "instance_type": "t3.small",
        "volume_gb": "30",
    }
    settings.ALLOWED_SSH_IP = "0.0.0.0/0"
    assert "open to the whole internet" in client.get("/instances/add/ec2/").content.decode()

    settings.STRICT_SSH = True
    assert client.post("/instances/add/ec2/", body).status_code == 409
    assert not Instance.objects.filter(name="gpu-9").exists()


def test_an_orphan_shows_its_age_and_is_adopted_by_a_portal_admin(client: Client) -> None:
    orphan()
    client.force_login(factories.portal_admin())
    page = client.get("/instances/").content.decode()
    assert "i-0123456789abcdef0" in page

    client.post(reverse("orphan-adopt", args=["i-0123456789abcdef0"]), {"name": "found-1"})

    made = Instance.objects.get(name="found-1")
    assert (made.aws_id, made.status, made.address) == ("i-0123456789abcdef0", Status.RUNNING, "203.0.113.9")
    assert not Orphan.objects.exists()
    assert "Confirm its fingerprint" in client.get("/instances/found-1/").content.decode()


def test_deleting_an_orphan_machine_needs_its_id(client: Client) -> None:
    found = orphan()
    client.force_login(factories.portal_admin())
    address = reverse("orphan-delete", args=[found.pk])

    assert client.post(address, {"confirm": "i-0"}).status_code == 409
    found.refresh_from_db()
    assert found.delete_asked_by is None

    client.post(address, {"confirm": found.identifier})
    found.refresh_from_db()
    assert found.delete_asked_by is not None


def test_a_team_admin_may_not_take_what_was_made_for_nobody(ada: Any, client: Client) -> None:
    found = orphan()

    assert found.identifier not in client.get("/instances/").content.decode()
    answer = client.post(reverse("orphan-adopt", args=[found.pk]), {"name": "mine-1"})

    assert answer.status_code == 404
    assert Orphan.objects.filter(pk=found.pk).exists()


def test_a_server_on_which_something_lives_is_not_removed(team: Team, ada: Any, client: Client) -> None:
    box = server(team, host_keys=[keys.make().public], status=Status.RUNNING)
    place = factories.environment(factories.application(of=team), instance=box)

    assert client.post(reverse("instance-forget", args=["box-1"]), {"confirm": "box-1"}).status_code == 409

    place.delete()
    client.post(reverse("instance-forget", args=["box-1"]), {"confirm": "box-1"})
    box.refresh_from_db()
    assert box.deleted_at is not None
    assert box.private_key_sealed == ""
    assert client.get("/instances/box-1/").status_code == 404


def test_the_page_draws_the_last_hour(team: Team, ada: Any, client: Client) -> None:
    machine = ec2(team)
    now = timezone.now()
    for minute in range(10):
        Measurement.objects.create(
            instance=machine, at=now - timedelta(minutes=minute), cpu_percent=37, memory_used=2**30,
            memory_total=2**32, disk_used=2**33, disk_total=2**35, network_in=10_000 - minute,
            network_out=0, containers=2,
        )  # fmt: skip

    page = client.get("/instances/gpu-1/").content.decode()

    assert page.count("graph-line") == 4
    assert "37%" in page


def test_settings_are_saved_and_wrong_ones_refused(team: Team, ada: Any, client: Client) -> None:
    machine = ec2(team)
    address = reverse("instance-settings", args=["gpu-1"])
    good = {"max_applications": "5", "stop_at": "19:00", "start_at": "07:00", "schedule_days": ["0", "4"]}

    assert client.post(address, good | {"max_applications": "0"}).status_code == 422
    client.post(address, good)

    machine.refresh_from_db()
    assert (machine.max_applications, machine.schedule_days, machine.stop_at.hour) == (5, "0,4", 19)


def test_draining_keeps_new_deployments_away(team: Team, ada: Any, client: Client) -> None:
    from instances.rules import check_can_use

    machine = ec2(team)
    client.post(reverse("instance-drain", args=["gpu-1"]))
    machine.refresh_from_db()

    with pytest.raises(Exception, match="being drained"):
        check_can_use(instance=machine, team=team, by=ada)


@pytest.mark.parametrize("address", ["/instances/", "/instances/?source=aws", "/instances/gpu-0/"])
def test_pages_cost_the_same_with_more_machines(
    address: str, team: Team, ada: Any, client: Client, django_assert_max_num_queries: Any
) -> None:
    ec2(team, "gpu-0")
    client.get(address)
    with django_assert_max_num_queries(20) as few:
        client.get(address)
    for number in range(1, 9):
        ec2(team, f"gpu-{number}")
        server(team, f"box-{number}")
        orphan(identifier=f"i-{number:017x}", details={"state": "running", "team": team.slug})

    with django_assert_max_num_queries(len(few)):
        assert client.get(address).status_code == 200


def test_the_script_and_the_policy_can_be_downloaded(ada: Any, client: Client) -> None:
    script = client.get("/instances/bootstrap.sh")
    policy = client.get("/instances/policy.json").json()

    assert script.content.startswith(b"#!/bin/sh")
    assert any("ec2:RunInstances" in statement["Action"] for statement in policy["Statement"])


def test_the_doctor_names_what_aws_does_not_let_us_do(monkeypatch: pytest.MonkeyPatch) -> None:
    class Cloud:
        def validate(self) -> list[Check]:
            return [
                Check("identity", True, "arn"),
                Check("permissions", False, "ec2:StartInstances is missing."),
            ]

    for name in clouds.MARKS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(clouds, "machines_in", lambda region: Cloud())
    assert clouds.aws.answer().detail.startswith("It is not used")

    ec2(None)
    answer = clouds.aws.answer()
    assert not answer.ok
    assert "ec2:StartInstances" in answer.detail


def test_cleanup_changes_nothing_until_the_name_is_typed(
    team: Team, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("instances.sweep.sweep", lambda: 0)
    factories.portal_admin()
    machine, stray = ec2(team), orphan()

    call_command("cleanup")
    call_command("cleanup", "--instance", "gpu-1")
    call_command("cleanup", "--all", "--dry-run", "--yes-delete", "gpu-1")
    with pytest.raises(CommandError, match="Type gpu-1"):
        call_command("cleanup", "--instance", "gpu-1", "--yes-delete", "gpu-2")
    machine.refresh_from_db()
    stray.refresh_from_db()
    assert (machine.wanted, stray.delete_asked_by) == (Wanted.RUNNING, None)
    assert stray.identifier in capsys.readouterr().out

    call_command("cleanup", "--instance", "gpu-1", "--yes-delete", "gpu-1")
    machine.refresh_from_db()
    assert machine.wanted == Wanted.TERMINATED
