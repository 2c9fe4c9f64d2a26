"""What a machine is busy with, measured in one look of a third of a second."""

from collections.abc import Sequence
from dataclasses import dataclass

from instances.hosts.base import Host, HostError

LOOK = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
cpu() { read -r line </proc/stat; echo "$1 $line"; }
cpu before
grep -E '^(MemTotal|MemAvailable):' /proc/meminfo
folder=/
for candidate in /var/lib /var/lib/docker; do [ -d "$candidate" ] && folder=$candidate; done
df -Pk "$folder" | sed -n '2s/^/disk /p'
sed -n 's/:/ /; 3,$s/^/interface /p' /proc/net/dev
command -v docker >/dev/null 2>&1 && echo "containers $(timeout 5 docker ps -q 2>/dev/null | wc -l)"
sleep 0.3
cpu after
echo end
"""

LOOK_SECONDS = 15
# Where traffic is counted that is counted on a real card as well.
VIRTUAL = ("lo", "docker", "br-", "veth", "cni", "virbr", "tun")


@dataclass(frozen=True)
class Measured:
    """One moment of a machine; amounts in bytes, the network's since it started."""

    cpu_percent: float
    memory_used: int
    memory_total: int
    disk_used: int
    disk_total: int
    network_in: int
    network_out: int
    containers: int


def measure(host: Host) -> Measured:
    """How busy it is right now. Raises HostError when it does not tell."""
    result = host.call(["sh", "-c", LOOK], timeout=LOOK_SECONDS)
    rows = [line.split() for line in result.out.splitlines() if line.strip()]
    if not rows or rows[-1] != ["end"]:
        raise HostError(f"The machine did not tell how busy it is: {result.err.strip()[-300:]}")
    try:
        return _measured(rows)
    except (ValueError, IndexError, KeyError) as error:
        raise HostError(f"What the machine told of itself makes no sense: {error!r}.") from error


def _measured(rows: Sequence[Sequence[str]]) -> Measured:
    named = {row[0]: row[1:] for row in rows if row[0] != "interface"}
    cards = [row[1:] for row in rows if row[0] == "interface" and not row[1].startswith(VIRTUAL)]
    memory = int(named["MemTotal:"][0]) * 1024
    return Measured(
        cpu_percent=_busy(_ticks(named["before"]), _ticks(named["after"])),
        memory_used=memory - int(named["MemAvailable:"][0]) * 1024,
        memory_total=memory,
        disk_used=int(named["disk"][2]) * 1024,
        disk_total=int(named["disk"][1]) * 1024,
        network_in=sum(int(card[1]) for card in cards),
        network_out=sum(int(card[9]) for card in cards),
        containers=int(named.get("containers", ["0"])[0]),
    )


def _ticks(row: Sequence[str]) -> tuple[int, int]:
    """Idle and all ticks. The guests' are in the users' already."""
    ticks = [int(word) for word in row[1:9]]
    return sum(ticks[3:5]), sum(ticks)


def _busy(before: tuple[int, int], after: tuple[int, int]) -> float:
    idle, total = after[0] - before[0], after[1] - before[1]
    return round(100 * (1 - idle / total), 1) if total > 0 else 0.0
