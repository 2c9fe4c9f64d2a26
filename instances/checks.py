"""What facts of a server mean for deployments: what is well, what is not, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LEAST_DISK_MB = 5 * 1024
LEAST_MEMORY_MB = 900
PUBLIC_PORTS = (80, 443)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `tone` is good, warn or bad; bad means that nothing can be deployed."""

    name: str
    tone: str
    message: str
    fix: str = ""

    @property
    def ok(self) -> bool:
        return self.tone != "bad"


def of_facts(facts: Mapping[str, Any]) -> list[Check]:
    """The facts of the last look, judged; none before the first."""
    if not facts.get("family") and not facts.get("os_name"):
        return []
    return [
        _system(facts),
        _systemd(facts),
        _sudo(facts),
        _program("Docker", str(facts.get("docker") or "")),
        _program("NGINX", str(facts.get("nginx") or "")),
        _program("Git", str(facts.get("git") or "")),
        _disk(facts),
        _memory(facts),
        _ports(facts),
        _reboot(facts),
    ]


def _system(facts: Mapping[str, Any]) -> Check:
    name = " ".join(str(facts.get(key) or "") for key in ("os_name", "arch")).strip()
    if facts.get("family") in ("debian", "amazon"):
        return Check("Operating system", "good", name)
    return Check(
        "Operating system", "bad", f"{name or 'Unknown'} is not supported.",
        "Use Ubuntu 22.04 or later, Debian 12 or later, or Amazon Linux 2023.",
    )  # fmt: skip


def _systemd(facts: Mapping[str, Any]) -> Check:
    if facts.get("systemd"):
        return Check("systemd", "good", "It runs.")
    return Check(
        "systemd", "bad", "It does not run here.", "Use a machine or virtual machine, not a container."
    )


def _sudo(facts: Mapping[str, Any]) -> Check:
    if facts.get("sudo"):
        return Check("Rights", "good", "The account may run commands as root without a password.")
    return Check(
        "Rights", "bad", "The account may not run commands as root.",
        "As root write “<account> ALL=(ALL) NOPASSWD: ALL” into /etc/sudoers.d/portal, or sign in as root.",
    )  # fmt: skip


def _program(name: str, version: str) -> Check:
    if version and version != "False":
        return Check(name, "good", "It is there." if version == "True" else version)
    return Check(name, "warn", "Not there yet.", "The first deployment installs it.")


def _disk(facts: Mapping[str, Any]) -> Check:
    free, total = int(facts.get("disk_free_mb") or 0), int(facts.get("disk_total_mb") or 0)
    text = f"{free / 1024:.1f} of {total / 1024:.1f} GB free"
    if free < LEAST_DISK_MB:
        return Check("Disk", "warn", text, "Images need some gigabytes. Make room, or use a larger disk.")
    return Check("Disk", "good", text)


def _memory(facts: Mapping[str, Any]) -> Check:
    memory, swap = int(facts.get("memory_mb") or 0), int(facts.get("swap_mb") or 0)
    text = f"{memory / 1024:.1f} GB, {swap / 1024:.1f} GB swap, {facts.get('cpus') or '?'} CPUs"
    if memory + swap < LEAST_MEMORY_MB:
        return Check(
            "Memory", "warn", text, "Builds of larger packages may be ended for want of memory. Add swap."
        )
    return Check("Memory", "good", text)


def _ports(facts: Mapping[str, Any]) -> Check:
    taken = [port for port in facts.get("open_ports") or [] if port in PUBLIC_PORTS]
    if taken and not facts.get("nginx"):
        ports = " and ".join(str(port) for port in taken)
        return Check(
            "Ports", "bad", f"Something else than NGINX listens on {ports}.",
            "Stop it, or move it to another port: NGINX answers there for the applications.",
        )  # fmt: skip
    return Check("Ports", "good", "80 and 443 are free." if not taken else "NGINX answers on 80 or 443.")


def _reboot(facts: Mapping[str, Any]) -> Check:
    if facts.get("reboot_needed"):
        return Check(
            "Updates",
            "warn",
            "A restart is pending.",
            "Reboot it when it suits; applications start again by themselves.",
        )
    return Check("Updates", "good", "No restart is pending.")
