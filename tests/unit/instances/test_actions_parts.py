"""What the doors of machines rest on: prices of orphans, graphs, and what facts mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from instances import checks, graphs, listing
from instances.models import Instance, Measurement, Orphan
from instances.states import Kind, OrphanKind, Status

GOOD = {
    "family": "amazon", "os_name": "Amazon Linux 2023", "sudo": True, "systemd": True, "docker": "25.0",
    "nginx": "1.24", "git": "2.40", "disk_free_mb": 9000, "disk_total_mb": 20000, "memory_mb": 2000, "swap_mb": 0,
    "cpus": 2, "open_ports": [22, 80], "reboot_needed": False,
}  # fmt: skip


def test_a_good_server_has_no_complaints() -> None:
    assert {check.tone for check in checks.of_facts(GOOD)} == {"good"}


@pytest.mark.parametrize(
    ("fact", "name", "tone"),
    [
        ({"family": ""}, "Operating system", "bad"),
        ({"systemd": False}, "systemd", "bad"),
        ({"sudo": False}, "Rights", "bad"),
        ({"docker": ""}, "Docker", "warn"),
        ({"disk_free_mb": 900}, "Disk", "warn"),
        ({"memory_mb": 500}, "Memory", "warn"),
        ({"nginx": "", "open_ports": [22, 80]}, "Ports", "bad"),
        ({"reboot_needed": True}, "Updates", "warn"),
    ],
)
def test_what_is_wrong_is_said_with_a_way_out(fact: dict[str, Any], name: str, tone: str) -> None:
    wrong = [check for check in checks.of_facts(GOOD | fact) if check.tone != "good"]

    assert (wrong[-1].name, wrong[-1].tone) == (name, tone)
    assert all(check.fix for check in wrong)


def measured(minute: int, **fields: Any) -> Measurement:
    defaults: dict[str, Any] = {
        "cpu_percent": 50.0, "memory_used": 1 << 30, "memory_total": 1 << 31, "disk_used": 0, "disk_total": 1 << 30,
        "network_in": 0, "network_out": 0, "containers": 1,
    }  # fmt: skip
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return Measurement(at=at, **(defaults | fields))


def test_one_measurement_makes_no_line() -> None:
    assert graphs.graphs_of([measured(0)]) == []


def test_a_line_runs_from_edge_to_edge_and_stays_inside() -> None:
    cpu = graphs.graphs_of([measured(0), measured(1, cpu_percent=250.0), measured(2, cpu_percent=0.0)])[0]

    assert [point.split(",")[0] for point in cpu.points.split()] == ["0.0", "150.0", "300.0"]
    assert all(0 <= float(point.split(",")[1]) <= graphs.HEIGHT for point in cpu.points.split())


def test_a_restart_of_the_machine_is_no_negative_traffic() -> None:
    rows = [measured(0, network_in=10**9), measured(1, network_in=60_000), measured(2, network_in=120_000)]

    network = graphs.graphs_of(rows)[3]

    assert network.now == "1.0 KB/s"


@pytest.mark.parametrize(
    ("aws_state", "status", "match"),
    [
        ("running", Status.RUNNING, True), ("running", Status.UNREACHABLE, True), ("stopped", Status.RUNNING, False),
        ("shutting-down", Status.TERMINATING, True), ("", Status.RUNNING, False),
    ],
)  # fmt: skip
def test_states_are_compared_with_those_of_aws(aws_state: str, status: str, match: bool) -> None:
    machine = Instance(kind=Kind.EC2, aws_id="i-1", aws_state=aws_state, status=status)

    assert listing.state_match(machine) is match
    assert listing.state_match(Instance(kind=Kind.SERVER, status=status)) is None


def test_an_orphan_costs_what_the_sweep_has_found() -> None:
    address = Orphan(kind=OrphanKind.ADDRESS, details={"hourly_usd": "0.005"})
    stopped = Orphan(kind=OrphanKind.MACHINE, details={"state": "stopped", "hourly_usd": "0.1"})

    price = listing.per_day(address)
    assert price is not None
    assert str(price.day) == "0.120"
    assert listing.per_day(stopped) is None
