"""What a machine tells of itself: this one really asked, and answers of others."""

import os
import socket
from pathlib import Path

import pytest

from instances.hosts.base import HostError, Result
from instances.hosts.facts import read_facts
from instances.hosts.local import LocalHost
from instances.hosts.metrics import measure
from tests.fakes import FakeHost

UBUNTU = """os_id ubuntu
os_like debian
os_name Ubuntu 24.04.1 LTS
os_version 24.04
cpus 2
memory_mb 1963
disk_free_mb many
docker 24.0.7
nginx nginx version: nginx/1.24.0 (Ubuntu)
git git version 2.43.0
sudo yes
reboot_needed yes
boot_id 5c0c
end
  sl  local_address rem_address   st tx_queue
   0: 00000000:0016 00000000:0000 0A 00000000:00000000
   1: 0100007F:1F40 00000000:0000 0A 00000000:00000000
   2: 0100007F:0050 0100007F:A000 01 00000000:00000000
   3: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0
   4: 00000000000000000000000001000000:1F41 00000000000000000000000000000000:0000 0A 0
"""

BUSY = """before cpu  100 0 100 800 0 0 0 0 50 50
MemTotal:        2000 kB
MemAvailable:     500 kB
disk /dev/root 1000 250 750 25% /
interface lo 9 0 0 0 0 0 0 0 9 0 0 0 0 0 0 0
interface eth0 700 7 0 0 0 0 0 0 300 3 0 0 0 0 0 0
interface docker0 5 0 0 0 0 0 0 0 5 0 0 0 0 0 0 0
containers 3
after cpu  175 0 100 825 0 0 0 0 50 50
end
"""


def answering(text: str) -> FakeHost:
    return FakeHost(answers={("sh",): Result(0, text, "")})


def test_this_machine_tells_what_it_is(tmp_path: Path) -> None:
    host = LocalHost(tmp_path / "host")
    facts = read_facts(host)

    assert facts["cpus"] == os.cpu_count()
    assert facts["kernel"] == os.uname().release
    assert facts["boot_id"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert 0 < facts["disk_free_mb"] < facts["disk_total_mb"]
    assert facts["memory_mb"] > 0
    assert facts["portal_ready"] is False


def test_only_ports_that_others_can_reach_are_open(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as public, socket.create_server(("127.0.0.1", 0)) as private:
        open_ports = read_facts(LocalHost(tmp_path / "host"))["open_ports"]
        reachable, hidden = public.getsockname()[1], private.getsockname()[1]

    assert reachable in open_ports
    assert hidden not in open_ports


def test_a_bootstrapped_machine_says_so(tmp_path: Path) -> None:
    host = LocalHost(tmp_path / "host")
    host.put("ready", b"")

    assert read_facts(host)["portal_ready"] is True


def test_versions_and_yes_are_read_from_the_words_around_them() -> None:
    facts = read_facts(answering(UBUNTU))

    assert (facts["docker"], facts["nginx"], facts["git"]) == ("24.0.7", "1.24.0", "2.43.0")
    assert (facts["sudo"], facts["systemd"], facts["reboot_needed"]) == (True, False, True)
    assert facts["disk_free_mb"] == 0
    assert facts["open_ports"] == [22, 80]


@pytest.mark.parametrize(
    ("os_id", "like", "family"),
    [
        ("debian", "", "debian"),
        ("ubuntu", "debian", "debian"),
        ("linuxmint", "ubuntu debian", "debian"),
        ("amzn", "fedora", "amazon"),
        ("alpine", "", ""),
        ("rocky", "rhel centos fedora", ""),
    ],
)
def test_the_family_decides_about_packages(os_id: str, like: str, family: str) -> None:
    said = f"os_id {os_id}\nos_like {like}\nos_name X\nend\n"

    assert read_facts(answering(said))["family"] == family


@pytest.mark.parametrize("text", ["", "os_id debian\n", "Your password has expired.\n"])
def test_half_an_answer_is_none(text: str) -> None:
    with pytest.raises(HostError, match="did not tell"):
        read_facts(answering(text))


def test_this_machine_tells_how_busy_it_is(tmp_path: Path) -> None:
    measured = measure(LocalHost(tmp_path / "host"))

    assert 0 <= measured.cpu_percent <= 100
    assert 0 < measured.memory_used < measured.memory_total
    assert 0 < measured.disk_used < measured.disk_total
    assert measured.network_in > 0


def test_a_measurement_is_the_difference_of_two_looks() -> None:
    measured = measure(answering(BUSY))

    assert measured.cpu_percent == 75.0
    assert (measured.memory_used, measured.memory_total) == (1500 * 1024, 2000 * 1024)
    assert (measured.disk_used, measured.disk_total) == (250 * 1024, 1000 * 1024)
    assert (measured.network_in, measured.network_out, measured.containers) == (700, 300, 3)


@pytest.mark.parametrize("text", ["", BUSY.replace("end\n", ""), BUSY.replace("MemTotal", "Mem"), "end\n"])
def test_a_measurement_that_makes_no_sense_is_none(text: str) -> None:
    with pytest.raises(HostError):
        measure(answering(text))
