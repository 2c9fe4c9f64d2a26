"""What a machine is: read in one look, before anything is put on it."""

from collections.abc import Callable, Iterator
from typing import Any

from instances.hosts.base import Host, HostError

# One line each, `name value`; a table of the kernel afterwards. `end` shows that nothing was cut off.
LOOK = r"""
export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
has() { command -v "$1" >/dev/null 2>&1; }
if [ -r /etc/os-release ]; then
  (. /etc/os-release; echo "os_id ${ID:-}"; echo "os_like ${ID_LIKE:-}"
    echo "os_name ${PRETTY_NAME:-${NAME:-}}"; echo "os_version ${VERSION_ID:-}")
fi
echo "kernel $(uname -r)"
echo "arch $(uname -m)"
echo "cpus $(getconf _NPROCESSORS_ONLN)"
while read -r name amount _; do
  case $name in
    MemTotal:) echo "memory_mb $((amount / 1024))" ;;
    SwapTotal:) echo "swap_mb $((amount / 1024))" ;;
  esac
done </proc/meminfo
folder=/
for candidate in /var/lib /var/lib/docker; do [ -d "$candidate" ] && folder=$candidate; done
df -Pk "$folder" | { read -r _; read -r _ total _ free _; echo "disk_total_mb $((total / 1024))"
  echo "disk_free_mb $((free / 1024))"; }
has docker && echo "docker $(timeout 5 docker version --format '{{.Server.Version}}' 2>/dev/null)"
has nginx && echo "nginx $(nginx -v 2>&1)"
has git && echo "git $(git --version)"
{ [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; } && echo "sudo yes"
[ -d /run/systemd/system ] && echo "systemd yes"
{ [ -e /run/reboot-required ] || [ -e /var/run/reboot-required ]; } && echo "reboot_needed yes"
[ -e "$1/ready" ] && echo "portal_ready yes"
echo "boot_id $(cat /proc/sys/kernel/random/boot_id)"
echo end
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
exit 0
"""

LOOK_SECONDS = 15
LISTENING = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000")
DEBIAN = {"debian", "ubuntu"}


def read_facts(host: Host) -> dict[str, Any]:
    """What runs there, how large it is, and what is installed. Raises HostError when it cannot tell."""
    result = host.call(["sh", "-c", LOOK, "look", host.root], timeout=LOOK_SECONDS)
    said, complete, tables = result.out.partition("\nend\n")
    if not complete:
        raise HostError(f"The machine did not tell what it is: {result.err.strip()[-300:] or 'no answer'}")
    values = dict(_pairs(said))
    return {
        **{name: read(values.get(name, "")) for name, read in READERS.items()},
        "family": _family(values),
        "open_ports": sorted(_open_ports(tables)),
    }


def _pairs(said: str) -> Iterator[tuple[str, str]]:
    for line in said.splitlines():
        name, _, value = line.partition(" ")
        yield name, value.strip()


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _version(text: str) -> str:
    """`nginx version: nginx/1.22.1 (Ubuntu)` and `git version 2.39.5` without the words."""
    words = (word.rpartition("/")[2] for word in text.split())
    return next((word for word in words if word[:1].isdigit()), "")


READERS: dict[str, Callable[[str], Any]] = {
    "os_id": str,
    "os_name": str,
    "os_version": str,
    "kernel": str,
    "arch": str,
    "cpus": _number,
    "memory_mb": _number,
    "swap_mb": _number,
    "disk_free_mb": _number,
    "disk_total_mb": _number,
    "docker": _version,
    "nginx": _version,
    "git": _version,
    "sudo": bool,
    "systemd": bool,
    "reboot_needed": bool,
    "portal_ready": bool,
    "boot_id": str,
}


def _family(values: dict[str, str]) -> str:
    """Whose packages and folders it has, as far as the portal knows them."""
    names = {values.get("os_id", ""), *values.get("os_like", "").split()}
    if names & DEBIAN:
        return "debian"
    return "amazon" if values.get("os_id") == "amzn" else ""


def _open_ports(tables: str) -> set[int]:
    """The ports on which somebody listens for others than this machine."""
    rows = (line.split() for line in tables.splitlines())
    addresses = (row[1].partition(":") for row in rows if len(row) > 3 and row[3] == LISTENING)
    return {int(port, 16) for address, _, port in addresses if address not in LOOPBACK}
