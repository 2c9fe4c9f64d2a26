"""What a server shows of itself before anybody trusts it, beside what is pinned."""

from dataclasses import dataclass

from instances.hosts.base import HostError
from instances.hosts.keys import fingerprint
from instances.hosts.ssh import scan
from instances.models import Instance

SCAN_SECONDS = 5.0


@dataclass(frozen=True)
class Offered:
    """The key that the server shows, or why it shows none."""

    key: str = ""
    fingerprint: str = ""
    pinned: tuple[str, ...] = ()
    problem: str = ""

    @property
    def changed(self) -> bool:
        """Another key than the pinned one: installed anew, or somebody between."""
        return bool(self.fingerprint and self.pinned and self.fingerprint not in self.pinned)

    @property
    def same(self) -> bool:
        return bool(self.fingerprint) and self.fingerprint in self.pinned


def look(instance: Instance) -> Offered:
    """Ask the server for its key, with a deadline; nothing of ours is sent."""
    pinned = tuple(fingerprint(line) for line in instance.host_keys)
    if instance.jump_id is not None:
        return Offered(
            pinned=pinned,
            problem=f"It is reached through {instance.jump}, so it cannot be asked from here. Paste its public host key.",
        )
    if not instance.ssh_host:
        return Offered(pinned=pinned, problem="It has no address yet.")
    try:
        key = scan(instance.ssh_host, instance.ssh_port, SCAN_SECONDS)
    except (HostError, OSError) as error:
        return Offered(pinned=pinned, problem=str(error) or "It does not answer.")
    return Offered(key=key, fingerprint=fingerprint(key), pinned=pinned)
